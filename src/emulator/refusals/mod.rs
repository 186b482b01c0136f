//! Every AADSTS code that the emulator can return: its text, and the stage at which it appears.
//!
//! The codes and their stages come from Microsoft (its list of authentication and authorization
//! error codes); that list rarely states the `error` for a code. The sentences are our own.

mod accounts;
mod consent;
mod grants;
mod interaction;
mod registration;
mod requests;
mod row;
mod service;
mod tenants;

pub(super) use self::row::{RefusalRow, RefusalStage};

/// The table, divided by the subject of the codes.
static SUBJECTS: [&[RefusalRow]; 8] = [
    registration::ROWS,
    tenants::ROWS,
    consent::ROWS,
    accounts::ROWS,
    interaction::ROWS,
    grants::ROWS,
    requests::ROWS,
    service::ROWS,
];

/// Returns the row of a code.
pub(super) fn of(code: u32) -> Option<&'static RefusalRow> {
    rows().find(|it| it.code == code)
}

/// All codes, in arbitrary order.
pub(super) fn rows() -> impl Iterator<Item = &'static RefusalRow> {
    SUBJECTS.into_iter().flatten()
}
