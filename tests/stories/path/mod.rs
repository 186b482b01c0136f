//! The way of a request to the app and back.

mod bodies;
mod endings;
mod framing;
mod h2c;
mod headers;
mod http2;
mod reading;
mod timeouts;
mod upstream;

use crate::world::World;

/// Host and port that people type.
pub fn authority(world: &World) -> &str {
    world.public_url.split_once("://").unwrap().1
}
