//! Federated identity providers, outages at Entra, and sign-out.

use super::row::RefusalStage::{Callback, Page, Token};
use super::row::{RefusalRow, row};

pub(super) static ROWS: &[RefusalRow] = &[
    row(50_107, Page, ["access_denied", "invalid_grant"], None, "Federation realm unknown."),
    row(50_008, Page, ["access_denied", "invalid_grant"], None, "SAML from federated IdP bad."),
    row(40_008, Page, ["access_denied", "invalid_grant"], None, "Federated IdP problem."),
    row(
        81_010,
        Page,
        ["access_denied", "invalid_grant"],
        None,
        "Seamless SSO Kerberos ticket invalid.",
    ),
    row(80_014, Page, ["access_denied", "invalid_grant"], None, "PTA agent time-out."),
    row(50_000, Callback, ["server_error", "server_error"], None, "Issue with sign-in service."),
    row(
        50_033,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Transient.",
    ),
    row(
        90_006,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Service temporarily unavailable.",
    ),
    row(
        90_012,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Time-out.",
    ),
    row(
        90_024,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Transient.",
    ),
    row(
        90_033,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Directory service unavailable.",
    ),
    row(
        90_055,
        Token,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Too many requests for tenant.",
    ),
    row(
        90_090,
        Callback,
        ["temporarily_unavailable", "temporarily_unavailable"],
        None,
        "Transient.",
    ),
    row(51_000, Page, ["access_denied", "invalid_grant"], None, "Feature disabled."),
    row(50_061, Page, ["access_denied", "invalid_grant"], None, "Sign-out request invalid."),
    row(
        50_068,
        Page,
        ["access_denied", "invalid_grant"],
        None,
        "App is not part of current session.",
    ),
    row(50_070, Page, ["access_denied", "invalid_grant"], None, "Unknown session."),
    row(50_071, Page, ["access_denied", "invalid_grant"], None, "Logout request expired."),
];
