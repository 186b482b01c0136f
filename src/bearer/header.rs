//! The bearer token in the headers of a request.

use super::access_token::{AccessTokens, BadAccessToken};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// Returns the Entrada access token of a request. Tokens of other issuers are ignored: they are for
/// the app.
pub(super) fn token<'a>(
    headers: &'a HeaderMap,
    tokens: &AccessTokens,
) -> Result<Option<&'a str>, BadAccessToken> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let ours = |it: &'a HeaderValue| bearer(it.as_bytes()).filter(|it| tokens.is_own_token(it));
    match (ours(first), all.next()) {
        (token, None) => Ok(token),
        (None, Some(second)) if ours(second).is_none() && all.all(|it| ours(it).is_none()) => {
            Ok(None)
        }
        (_, Some(_)) => Err(BadAccessToken::Several),
    }
}

/// RFC 6750 section 2.1. The scheme is case-insensitive (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    if scheme.eq_ignore_ascii_case(b"Bearer ") {
        std::str::from_utf8(token).ok().map(|it| it.trim_matches(' '))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_token::tests::{ORIGIN, access_tokens, token as issued};
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn a_request_has_one_token_of_ours_or_none() {
        let tokens = access_tokens(&["one"], ORIGIN, &Clock::system());
        let foreign = issued(&access_tokens(&["two"], ORIGIN, &Clock::system()));
        let (ours, foreign) = (issued(&tokens), foreign.expose());
        let ours = ours.expose();
        let with = |scheme: &str, token: &str| format!("{scheme}{token}");
        for (headers, expected) in [
            (vec![], Ok(None)),
            (vec![with("Bearer ", ours)], Ok(Some(ours))),
            (vec![with("bEARER  ", ours)], Ok(Some(ours))),
            (vec![with("Basic ", ours)], Ok(None)),
            (vec![with("Bearer", ours)], Ok(None)),
            (vec![with("Bearer ", foreign)], Ok(None)),
            (vec![with("Bearer ", foreign), with("Basic ", "x")], Ok(None)),
            (vec![with("Bearer ", ours), with("Bearer ", ours)], Err(BadAccessToken::Several)),
            (vec![with("Bearer ", foreign), with("Bearer ", ours)], Err(BadAccessToken::Several)),
            (
                vec![with("Basic ", "x"), with("Bearer ", foreign), with("Bearer ", ours)],
                Err(BadAccessToken::Several),
            ),
        ] {
            let mut map = HeaderMap::new();
            for value in &headers {
                map.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(token(&map, &tokens), expected, "{headers:?}");
        }
    }
}
