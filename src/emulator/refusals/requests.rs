//! Scopes, parameters and claims of a request.

use super::row::RefusalStage::{Page, Token};
use super::row::{RefusalRow, row};

pub(super) static ROWS: &[RefusalRow] = &[
    row(
        70_011,
        Token,
        ["invalid_scope", "invalid_scope"],
        None,
        "Scope invalid, e.g. .default mixed with others, two resources.",
    ),
    row(
        28_002,
        Token,
        ["invalid_scope", "invalid_grant"],
        None,
        "Scope invalid when requesting access token.",
    ),
    row(28_003, Token, ["invalid_grant", "invalid_grant"], None, "Scope empty at redemption."),
    row(
        700_022,
        Token,
        ["invalid_scope", "invalid_scope"],
        None,
        "Scopes of two resources in one request.",
    ),
    row(700_023, Token, ["invalid_scope", "invalid_scope"], None, "Scope invalid."),
    row(
        901_002,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "V2 does not support 'resource'.",
    ),
    row(90_014, Token, ["invalid_request", "invalid_request"], None, "Expected field absent."),
    row(
        900_144,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "Named parameter missing (also wrong content-type: JSON in place of form).",
    ),
    row(9_002_313, Token, ["invalid_request", "invalid_request"], None, "Malformed request."),
    row(
        90_015,
        Page,
        ["access_denied", "invalid_grant"],
        None,
        "Authorize URL too long (big state, login_hint).",
    ),
    row(
        90_023,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "Authentication service request invalid.",
    ),
    row(
        900_561,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "GET on POST-only endpoint, usually Back button.",
    ),
    row(90_056, Token, ["invalid_request", "invalid_request"], None, "Token endpoint needs POST."),
    row(
        90_005,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "Identifier and login hint together.",
    ),
    row(90_007, Page, ["access_denied", "invalid_grant"], None, "Session id not parseable."),
    row(
        70_003,
        Token,
        ["unsupported_grant_type", "unsupported_grant_type"],
        None,
        "Grant type unsupported.",
    ),
    row(
        50_146,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "Claims mapping needs app-specific key (or it expired).",
    ),
    row(
        501_461,
        Token,
        ["invalid_grant", "invalid_grant"],
        None,
        "AcceptMappedClaims only for GUID audience or verified domain.",
    ),
    row(
        1_002_012,
        Token,
        ["invalid_scope", "invalid_scope"],
        None,
        "Client-credentials scope without /.default suffix.",
    ),
];
