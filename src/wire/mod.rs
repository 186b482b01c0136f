//! HTTP building blocks: facts about a request, cookies, bodies, replies, and the clients for
//! Entra and for DNS.

pub(crate) mod body;
pub mod challenge;
pub(crate) mod client;
pub mod cookies;
pub(crate) mod dns;
pub mod form;
pub mod forwarded;
pub(crate) mod handles;
pub(crate) mod inbound;
pub mod peer;
pub mod proxy_protocol;
pub(crate) mod reply;
pub(crate) mod tls;
