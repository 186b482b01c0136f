//! A sign-in, from where it begins to who came back from Entra.

pub(super) mod begin;
pub(super) mod organization;
pub(super) mod pages;
pub(super) mod redeem;
pub(super) mod returned;
pub(super) mod rounds;
pub(super) mod session;
pub(super) mod step_up;
pub(super) mod trail;
