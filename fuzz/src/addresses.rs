//! Addresses: targets of requests, places to return to, and addresses of native clients.

use entrada::base::redirect_uri::{RedirectUri, RedirectUriKind};
use entrada::base::return_to::ReturnTo;
use entrada::base::site::Site;
use entrada::base::target::{PathStrictness, Target};
use http::{HeaderValue, Method, Uri};

/// Checks that an accepted target is byte for byte the received one, does not leave its root, and
/// means the same to a WHATWG parser.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for strictness in [PathStrictness::Strict, PathStrictness::Lenient] {
        if let Ok(read) = Target::parse(&Method::GET, text, strictness) {
            assert_eq!(read.path_and_query().as_str(), text);
            let whole = read
                .query()
                .map_or_else(|| read.path().to_owned(), |query| format!("{}?{query}", read.path()));
            assert_eq!(whole, text);
            means_the_same(&read, strictness);
        }
        if let Ok(uri) = text.parse::<Uri>()
            && let Ok(read) = Target::read(&Method::GET, &uri, strictness)
        {
            assert_eq!(Some(read.path_and_query()), uri.path_and_query());
            assert!(
                Target::parse(&Method::GET, read.path_and_query().as_str(), strictness).is_ok()
            );
        }
    }
}

fn means_the_same(read: &Target, strictness: PathStrictness) {
    let url =
        url::Url::parse(&format!("https://app.example.com{}", read.path_and_query())).unwrap();
    assert_eq!(url.host_str(), Some("app.example.com"));
    assert!(
        read.other_readings().all(|it| std::str::from_utf8(&it).is_ok()),
        "no UTF-8: {}",
        read.path()
    );
    match strictness {
        PathStrictness::Strict => assert_eq!(url.path(), read.path()),
        PathStrictness::Lenient => {
            assert_eq!(url.path().split('/').count(), read.path().split('/').count());
        }
    }
}

/// Checks that a return address stays on our own site, outside our own paths, or on a listed host,
/// as a browser reads it.
pub fn return_to(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let site = Site::parse("https://app.example.com", "/oauth2", None).unwrap();
    let site = site.with_hosts(
        vec!["alt.example.org".into()],
        vec![".example.com".into(), "one.example.org".into()],
    );
    let place = ReturnTo::parse(text, &site);
    assert!(HeaderValue::from_str(place.as_str()).is_ok());
    assert_eq!(ReturnTo::parse(place.as_str(), &site), place, "read again, it is the same");
    let url = url::Url::parse("https://app.example.com/oauth2/callback")
        .unwrap()
        .join(place.as_str())
        .unwrap();
    let host = url.host_str().unwrap();
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(host == "app.example.com" || site.may_return_to(host), "{url}");
    assert!(host != "app.example.com" || !site.is_ours(url.path()), "{url}");
}

/// A client registers the address on the first line, and requests the one on the second. Checks
/// that responses go only to the registered address, as a browser reads it.
pub fn redirect_uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (registered, asked) = text.split_once('\n').unwrap_or((text, text));
    let Ok(uri) = RedirectUri::parse(registered) else { return };
    let (Some(target), read) = (uri.admits(asked), url::Url::parse(registered).unwrap()) else {
        assert_ne!(registered, asked);
        return;
    };
    let mut there = url::Url::parse(asked).unwrap();
    match target.kind() {
        RedirectUriKind::Loopback => {
            assert!(
                matches!(there.host_str(), Some("127.0.0.1" | "[::1]")) && there.scheme() == "http"
            );
            there.set_port(read.port()).unwrap();
            assert_eq!(there, read);
        }
        RedirectUriKind::Https | RedirectUriKind::PrivateUse => assert_eq!(asked, registered),
    }
    assert!(!matches!(
        there.scheme(),
        "javascript" | "data" | "file" | "blob" | "about" | "intent"
    ));
    assert!(
        there.username().is_empty() && there.password().is_none() && there.fragment().is_none()
    );
    let answer = target.answer(&[("code", text), ("state", "x&y=#z")]);
    assert!(HeaderValue::from_str(answer.as_str()).is_ok());
    let whole = url::Url::parse(answer.as_str()).unwrap();
    let said = |name: &str| {
        whole
            .query_pairs()
            .filter(|it| it.0 == name)
            .map(|it| it.1.into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((said("code"), said("state")), (vec![text.to_owned()], vec!["x&y=#z".to_owned()]));
    assert_eq!(
        (whole.scheme(), whole.host_str(), whole.path()),
        (there.scheme(), there.host_str(), there.path())
    );
}
