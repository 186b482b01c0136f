//! Stories: people, scripts, proxies and attackers before the running program, over real sockets.
#![cfg(test)]

mod attacks;
mod life;
mod path;
mod sign_in;
mod world;
