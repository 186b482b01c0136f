//! Organizations and their people, in a database: the identity and role that people have for the
//! app, and where they sign in.
//!
//! The typed identifier only selects where to sign in; the identity comes from Entra alone
//! (`first_sign_in`). Nothing here is used on the request path, and nothing here depends on HTTP.
//! Unique columns ensure that a person exists only once, even with concurrent changes.

mod client_sign_in_end;
mod credential;
mod database;
mod error;
mod file;
mod linking;
mod organization_lookup;
mod organizations;
mod refresh;
mod rotation;
mod store;
#[cfg(test)]
mod tests;

pub mod admin;
pub mod change;
pub mod client_sign_in;
pub mod client_sign_ins;
pub mod first_sign_in;
pub mod history;
pub mod invitation;
pub mod organization;
pub mod organization_credential;
pub mod organization_json;
pub mod people;
pub mod people_csv;
pub mod person;
pub mod recent;
pub mod refresh_lease;
pub mod transfer;
pub mod trial;
pub mod watch;

pub use error::Error;
pub use store::Directory;
