//! Organizations and their people, in a database: the identity and role that people have for the
//! app, and where they sign in.
//!
//! The typed identifier only selects where to sign in; the identity comes from Entra alone
//! (`first_sign_in`). Nothing here is used on the request path, and nothing here depends on HTTP.
//! Unique columns ensure that a person exists only once, even with concurrent changes.

mod client_sign_in_end;
mod creation;
mod credential;
mod database;
mod erased_accounts;
mod erased_names;
mod erasure;
mod error;
mod file;
mod likeness;
mod link_request_list;
mod linking;
mod organization_lookup;
mod organization_names;
mod organizations;
mod refresh;
mod renewal;
mod rotation;
mod store;
mod stored_forms;
#[cfg(test)]
pub(crate) mod tests;

pub mod admin;
pub mod advice;
pub mod change;
pub mod client_sign_in;
pub(crate) mod client_sign_ins;
pub mod domain;
pub mod domain_claim;
pub(crate) mod first_admin;
pub(crate) mod first_sign_in;
pub(crate) mod history;
pub(crate) mod import_report;
pub(crate) mod invitation;
pub mod link_request;
pub mod merge;
pub mod organization;
pub mod organization_credential;
pub(crate) mod organization_json;
pub mod people;
pub(crate) mod people_csv;
pub mod person;
pub mod recent;
pub(crate) mod refresh_lease;
pub(crate) mod status;
pub(crate) mod transfer;
pub(crate) mod trial;
mod undo_approval;
pub mod unfolded_form;
pub(crate) mod watch;

pub use error::Error;
pub use store::Directory;
