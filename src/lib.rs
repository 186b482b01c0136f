//! Entra ID sign-in for any web app, put in front of it. ARCHITECTURE.md tells how the modules fit.

pub mod access;
pub mod base;
pub mod config;
pub mod demo;
pub mod emulator;
pub mod entra;
pub mod headers;
pub mod pages;
pub mod seal;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod upstream;
pub mod wire;
