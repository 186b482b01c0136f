//! Types that all modules share.
//!
//! Nothing here does I/O, reads a clock or generates randomness itself.

pub(crate) mod calendar;
pub mod certificate;
pub mod client_secret;
pub mod clock;
pub(crate) mod cloud;
pub(crate) mod color;
pub mod company_code;
pub(crate) mod credential;
pub mod domains;
pub mod email_domain;
pub mod guid;
pub(crate) mod identity;
pub(crate) mod ids;
pub mod language;
pub(crate) mod logo;
pub(crate) mod own_path;
pub(crate) mod pattern;
pub mod random;
pub mod redirect_uri;
pub mod return_to;
pub(crate) mod routes;
pub mod secret;
pub mod site;
pub(crate) mod spelling;
pub(crate) mod stored_identity;
pub(crate) mod string_list;
pub mod target;
pub mod typed;
pub mod username;
