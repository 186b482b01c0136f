//! Types that all modules share.
//!
//! Nothing here does I/O, reads a clock or generates randomness itself.

pub mod calendar;
pub mod certificate;
pub mod clock;
pub mod cloud;
pub mod company_code;
pub mod credential;
pub mod domains;
pub mod guid;
pub mod identity;
pub mod ids;
pub mod language;
pub mod own_path;
pub mod pattern;
pub mod random;
pub mod redirect_uri;
pub mod return_to;
pub mod routes;
pub mod secret;
pub mod site;
pub mod spelling;
pub mod stored_identity;
pub mod string_list;
pub mod target;
pub mod username;
