//! Stories: people, scripts, proxies and attackers before the running program, over real sockets.
#![cfg(test)]

mod abuse;
mod api;
mod ask_entra;
mod attacks;
mod audiences;
mod cli;
mod conformance;
mod credentials;
mod databases;
mod demo;
mod directory_attacks;
mod docs;
mod flood;
mod fuzz;
mod german;
mod groups;
mod idle_web_sockets;
mod image;
mod messages;
mod native;
mod nginx;
mod organization_admin;
mod organizations;
mod outside;
mod path;
mod phone;
#[path = "../../src/directory/tests/postgres.rs"]
mod postgres;
mod process;
mod recheck;
mod registrations;
mod replicas;
mod response_lifetime;
mod setup;
mod sign_in;
mod sign_in_loops;
mod sign_out;
mod step_up;
mod streaming;
mod tenants;
mod tls;
mod tools;
mod tunnels;
mod verify;
mod world;
