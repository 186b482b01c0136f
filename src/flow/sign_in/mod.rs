//! The sign-in, from its start to the verified identity that Entra returns.

pub(super) mod begin;
pub(super) mod claims;
pub(super) mod organization;
pub(super) mod pages;
pub(super) mod recorder;
pub(super) mod redeem;
pub(super) mod returned;
pub(super) mod rounds;
pub(super) mod session;
pub(super) mod start_link;
pub(super) mod state;
pub(super) mod step_up;
