//! The tenant and the cloud.

use super::row::RefusalStage::{Callback, Page, Token};
use super::row::{RefusalRow, row};

pub(super) static ROWS: &[RefusalRow] = &[
    row(
        90_002,
        Token,
        ["invalid_tenant", "invalid_tenant"],
        None,
        "Tenant not found: typo, unregistered domain or wrong cloud.",
    ),
    row(
        900_023,
        Token,
        ["invalid_request", "invalid_request"],
        None,
        "Tenant identifier neither GUID nor valid domain.",
    ),
    row(
        90_019,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "Tenant could not be determined.",
    ),
    row(
        50_059,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "No tenant-identifying information.",
    ),
    row(
        50_128,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "No tenant information in request or credential; or mistyped domain.",
    ),
    row(
        900_439,
        Page,
        ["invalid_request", "invalid_request"],
        None,
        "US Government app used on the public endpoint.",
    ),
    row(
        90_038,
        Callback,
        ["invalid_request", "invalid_request"],
        None,
        "Tenant belongs to another cloud.",
    ),
    row(
        900_382,
        Token,
        ["invalid_client", "invalid_client"],
        None,
        "Confidential client not supported cross-cloud.",
    ),
    row(900_432, Token, ["invalid_client", "invalid_client"], None, "Same."),
];
