//! Stories: people, scripts, proxies and attackers before the running program, over real sockets.
#![cfg(test)]

mod attacks;
mod cli;
mod fuzz;
mod image;
mod life;
mod outside;
mod path;
mod sign_in;
mod verify;
mod world;
