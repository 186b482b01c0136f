//! Against what nobody here wrote: other people's clients, and a list of what they are known to fail at.

pub mod chromium;
pub mod command;
mod curl;
mod grpc;
mod h2;
mod msal;
mod native_clients;
mod oidc_provider;
mod python;
mod seed;
mod web_sockets;
