//! The way to the app. Nothing goes through without identity headers, and the path that is sent is the permit's.

mod tunnel;

pub use tunnel::Tunnels;
