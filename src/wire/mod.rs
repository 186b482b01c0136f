//! HTTP as we need it: what is true of a request, cookies, bodies, replies, and the client towards Entra.

pub mod tls;
