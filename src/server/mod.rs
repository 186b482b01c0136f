//! Listeners, TLS, HTTP/1.1 and HTTP/2, and the end of it all. Every wait on a client has a bound.
//!
//! No connection and no request has a timer of its own: those cost a wake-up each. Connections note in a few atomics what goes on,
//! with a time that is only as fine as the tick of one sweeper, and the sweeper ends whoever takes too long. Nothing here knows what
//! a request means: that is the `Handler`'s.

pub mod admin;
mod api;
mod body;
mod coarse_clock;
mod connection;
mod frames;
mod gate;
mod heads;
mod http2;
mod listener;
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
