//! Listeners, TLS, HTTP/1.1 and HTTP/2, and the graceful shutdown. Every wait for a client has a
//! limit.
//!
//! Connections and requests have no timers of their own, which would cost a wake-up each.
//! Connections note their progress in a few atomics, with a time that is only as precise as the
//! tick of the single sweeper, and the sweeper ends connections that take too long. This module
//! does not interpret requests, which is the task of the `Handler`.

pub mod admin;
mod api;
mod body;
mod coarse_clock;
mod connection;
mod frames;
mod gate;
mod head_limits;
mod heads;
mod http2;
mod lent_transport;
mod listener;
mod reset_budget;
mod revoke;
mod serve;
mod sockets;
mod state;
mod streams;
mod sweep;
pub mod tls;

#[cfg(test)]
mod tests;

pub use connection::Handler;
pub use listener::Listener;
pub use serve::{ServerSettings, serve};
