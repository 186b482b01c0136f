//! What headers and forms say: cookies, forwarded headers, challenges and form fields.

use entrada::base::target::PathStrictness;
use entrada::config::server::{PeerSet, ProxyTrust, TrustedHeaders};
use entrada::wire::cookies::{self, CookieMatch, CookieNames};
use entrada::wire::form::FormFields;
use entrada::wire::peer::Peer;
use entrada::wire::proxy_protocol::{self, ProxyHeader};
use entrada::wire::{challenge, forwarded};
use http::header::{COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// Checks that the app receives none of our cookies, sets none of ours, and still receives all of
/// its own, and that a duplicate of our cookie is always rejected.
pub fn cookies(data: &[u8]) {
    let lines: Vec<_> =
        data.split(|it| *it == b'\n').filter_map(|it| HeaderValue::from_bytes(it).ok()).collect();
    let (mut request, mut response) = (HeaderMap::new(), HeaderMap::new());
    for line in &lines {
        request.append(COOKIE, line.clone());
        response.append(SET_COOKIE, line.clone());
    }
    let names = CookieNames::new(true, 443);
    let times = cookies::all(&request).filter(|it| it.0 == names.session()).count();
    assert_eq!(cookies::find(&request, names.session()) == CookieMatch::Several, times > 1);
    assert_eq!(matches!(cookies::find(&request, names.session()), CookieMatch::One(_)), times == 1);

    let theirs = theirs(&request);
    cookies::hide(&mut request);
    assert_eq!(cookies::find(&request, names.session()), CookieMatch::None);
    assert!(cookies::all(&request).all(|it| !CookieNames::is_ours(it.0.trim())));
    assert_eq!(self::theirs(&request), theirs);

    cookies::guard(&mut response);
    for line in response.get_all(SET_COOKIE) {
        let read = line.to_str().ok().and_then(|it| cookie::Cookie::parse(it).ok());
        assert!(read.is_none_or(|it| !CookieNames::is_ours(it.name())), "{line:?}");
    }
}

fn theirs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|it| it.as_bytes().split(|it| *it == b';'));
    let named = |pair: &&[u8]| pair.contains(&b'=') && !pair.starts_with(b"=");
    let ours = |pair: &&[u8]| {
        CookieNames::is_ours(pair.split(|it| *it == b'=').next().unwrap_or_default().trim_ascii())
    };
    pairs.map(<[u8]>::trim_ascii).filter(named).filter(|it| !ours(it)).map(<[u8]>::to_vec).collect()
}

/// Checks that an untrusted peer's forwarded headers are ignored, and that a request from a trusted
/// proxy is judged exactly as it was written.
pub fn forwarded(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|it| *it == b'\n') {
        let mut parts = line.splitn(2, |it| *it == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let proxies = PeerSet { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: false };
    let listed = TrustedHeaders { prefix: true, port: true, request_id: true };
    let trust = ProxyTrust { proxies, headers: listed };
    let peer = |ip: &str| Peer::of_socket(Some(format!("{ip}:1").parse().unwrap()), false);
    let stranger = forwarded::read(&headers, &peer("192.0.2.1"), &trust);
    let silent = forwarded::read(&HeaderMap::new(), &peer("192.0.2.1"), &trust);
    assert_eq!(stranger, silent);
    assert!(forwarded::from_nginx(&headers, &stranger, PathStrictness::Strict).is_err());

    let proxy = forwarded::read(&headers, &peer("10.0.0.1"), &trust);
    assert!(proxy.trusted && proxy.client.is_some());
    if let Ok(asked) = forwarded::from_nginx(&headers, &proxy, PathStrictness::Strict) {
        let written = ["x-original-uri", "x-original-url"]
            .into_iter()
            .filter_map(|it| headers.get(it)?.to_str().ok());
        let target = asked.target.path_and_query().as_str();
        written.for_each(|it| assert!(it.ends_with(target), "{it} is not {target}"));
        assert_eq!(headers.get_all("x-original-method").iter().count(), 1);
    }
}

/// Checks that a PROXY protocol header is read up to its end and not a byte further, within its
/// bound, and that the client it names is written in it.
pub fn proxy_header(data: &[u8]) {
    let mut taken = 0;
    let client = loop {
        let read = data.get(..taken).map(proxy_protocol::parse);
        match read {
            Some(Ok(ProxyHeader::AtLeast(count))) => {
                assert!(count > taken && count <= proxy_protocol::MAX_HEADER_BYTES);
                taken = count;
            }
            Some(Ok(ProxyHeader::Complete(client))) => break client,
            Some(Err(_)) | None => return,
        }
    };
    let header = &data[..taken];
    assert!(header.ends_with(b"\r\n") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    let Some(client) = client else { return };
    if header.starts_with(b"PROXY") {
        let text = std::str::from_utf8(header).unwrap();
        let words: Vec<_> = text.trim_end().split(' ').collect();
        assert_eq!(words.len(), 6, "{text}");
        assert_eq!(words[2].parse(), Ok(client.ip()), "{text}");
        assert_eq!(words[4], client.port().to_string(), "{text}");
    } else {
        let octets = match client.ip() {
            IpAddr::V4(it) => it.octets().to_vec(),
            IpAddr::V6(it) => it.octets().to_vec(),
        };
        assert!(header[16..].starts_with(&octets));
    }
}

/// Checks that one header line from an app does not hide a challenge on another line, that quoted
/// text is not read as a challenge, and that everything read was in the input.
pub fn challenges(data: &[u8]) {
    let lines: Vec<_> =
        data.split(|it| *it == b'\n').filter_map(|it| HeaderValue::from_bytes(it).ok()).collect();
    let read = |lines: &[HeaderValue]| {
        let mut headers = HeaderMap::new();
        headers.extend(lines.iter().map(|it| (WWW_AUTHENTICATE, it.clone())));
        challenge::challenges(&headers)
    };
    let sane = [HeaderValue::from_static(r#"Bearer error="insufficient_claims", claims="e30=""#)];
    let (alone, one) = (read(&lines), read(&sane));
    assert_eq!(
        read(&[&sane[..], &lines[..], &sane[..]].concat()),
        [&one[..], &alone[..], &one[..]].concat()
    );

    let plain = |it: &[u8]| String::from_utf8_lossy(it).replace('\\', "");
    let said: Vec<_> = lines.iter().map(|it| plain(it.as_bytes())).collect();
    for value in alone
        .iter()
        .flat_map(|it| ["error", "claims", "realm"].map(|name| it.parameter(name)))
        .flatten()
    {
        assert!(said.iter().any(|it| it.contains(&plain(value.as_bytes()))), "{value}");
    }
    for text in lines.iter().filter_map(|it| it.to_str().ok()).filter(|it| it.len() < 2048) {
        let quoted = text.replace('\\', r"\\").replace('"', r#"\""#);
        let whole =
            read(&[HeaderValue::from_str(&format!(r#"Basic realm="{quoted}", Bearer error="x""#))
                .unwrap()]);
        let [basic, bearer] = whole.as_slice() else { panic!("{whole:?}") };
        assert!(basic.is("basic") && basic.parameter("realm") == Some(text), "{text}");
        assert!(bearer.is("bearer") && bearer.parameter("error") == Some("x"), "{text}");
    }
}

/// Checks that a form has each name only once, and that the trimmed value is the sent value without
/// surrounding space.
pub fn forms(data: &[u8]) {
    let Ok(form) = FormFields::parse(data) else { return };
    let written = String::from_utf8_lossy(data);
    for name in ["a", "token", "identifier", "client_secret", "code", ""] {
        let (sent, typed) = (form.sent(name), form.typed(name));
        assert_eq!(typed, sent.map(str::trim).filter(|it| !it.is_empty()), "{written}");
        assert_eq!(form.text(name), typed.unwrap_or_default(), "{written}");
    }
    // Sent again, the value reads the same; a form that contains it twice is rejected.
    if let Some(sent) = form.sent("a") {
        let again =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("a", sent).finish();
        assert_eq!(FormFields::parse(again.as_bytes()).unwrap().sent("a"), Some(sent), "{written}");
        assert!(FormFields::parse(format!("{again}&{again}").as_bytes()).is_err(), "{written}");
    }
}
