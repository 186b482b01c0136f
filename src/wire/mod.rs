//! HTTP building blocks: facts about a request, cookies, bodies, replies, and the client for Entra.

pub mod body;
pub mod challenge;
pub mod client;
pub mod cookies;
pub mod form;
pub mod forwarded;
pub mod handles;
pub mod inbound;
pub mod peer;
pub mod reply;
pub mod tls;
