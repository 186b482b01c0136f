//! Authorization codes, refresh tokens, on-behalf-of assertions and PKCE.

use super::row::RefusalStage::Token;
use super::row::{RefusalRow, row};

pub(super) static ROWS: &[RefusalRow] = &[
    row(
        54_005,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Authorization code used twice: browser back/reload/prefetch on callback, duplicate callback, retry by us after timeout.",
    ),
    row(
        70_000,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Grant invalid / malformed / token binding.",
    ),
    row(
        70_008,
        Token,
        ["invalid_grant", "invalid_grant"],
        Some("token_expired"),
        "Code (10 min) or refresh token expired/inactive.",
    ),
    row(
        700_082,
        Token,
        ["invalid_grant", "invalid_grant"],
        Some("token_expired"),
        "Refresh token inactive for 90 days.",
    ),
    row(700_084, Token, ["invalid_grant", "invalid_grant"], None, "24 h SPA token."),
    row(
        50_089,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "User waited too long on sign-in page, or grant expired.",
    ),
    row(50_132, Token, ["invalid_grant", "invalid_grant"], None, "Password expired or changed."),
    row(
        50_133,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Session revoked by password change.",
    ),
    row(
        50_173,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Grant revoked by admin/user (revokeSignInSessions, password reset).",
    ),
    row(
        50_013,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "OBO assertion invalid (expired, malformed, wrong aud).",
    ),
    row(500_133, Token, ["invalid_grant", "invalid_grant"], None, "OBO assertion expired."),
    row(
        501_481,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "PKCE verifier does not match: two tabs overwrote one cookie.",
    ),
    row(
        50_147,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "Code_challenge size invalid.",
    ),
    row(
        501_491,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "Size of code_challenge invalid.",
    ),
    row(
        50_196,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Same request too often in short time (login loop: cookie lost, SameSite, clock, double proxy).",
    ),
    row(
        500_131,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "OBO assertion's audience is not this app.",
    ),
];
