//! Organizations and their people, in a real database: who one is to the app, and where one signs in.
//!
//! What somebody types only chooses where to sign in; who comes back from there is told by Entra alone (`welcome`). Nothing here is
//! asked on the request path, and nothing here knows HTTP. Unique columns keep one person one, whatever happens at the same time.

mod credential;
mod database;
mod error;
mod file;
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
pub mod person;
pub mod recent;
pub mod transfer;
pub mod trial;
pub mod watch;

pub use error::Error;
pub use store::Directory;
