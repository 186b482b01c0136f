//! Stories: people, scripts, proxies and attackers before the running program, over real sockets.
#![cfg(test)]

mod abuse;
mod api;
mod ask_entra;
mod attacks;
mod audiences;
mod cli;
mod credentials;
mod databases;
mod demo;
mod directory_attacks;
mod docs;
mod flood;
mod fuzz;
mod german;
mod groups;
mod image;
mod keep;
mod lasting;
mod life;
mod loops;
mod native;
mod nginx;
mod organizations;
mod outside;
mod path;
mod phone;
#[path = "../../src/directory/tests/postgres.rs"]
mod postgres;
mod registrations;
mod setup;
mod sign_in;
mod sign_out;
mod standing;
mod step_up;
mod streaming;
mod tenants;
mod tls;
mod tools;
mod tunnels;
mod verify;
mod watch;
mod words;
mod world;
