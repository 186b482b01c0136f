//! Sessions in Redis or Valkey, for several processes.
//!
//! A session that this process knows is served without asking the server. `keeper` follows the
//! changes of other processes and writes what this one changed, also after an outage; nothing here
//! decides alone that the server is back.

mod apply;
mod changes;
mod ends;
mod health;
mod keeper;
mod keys;
mod leases;
mod leasing;
mod link;
mod pending;
mod people;
mod purposes;
mod recent;
mod redis_store;
mod scripts;
#[cfg(test)]
pub(super) mod test_server;
#[cfg(test)]
pub(super) mod tests;
mod writes;

pub use redis_store::RedisStore;
