//! Entra ID sign-in in front of any web app. ARCHITECTURE.md describes how the modules fit
//! together.

mod access;
pub mod base;
pub mod bearer;
pub mod cli;
pub mod config;
mod demo;
pub mod directory;
pub mod emulator;
pub mod entra;
pub mod flow;
mod headers;
pub mod pages;
pub mod seal;
mod server;
pub mod service;
pub mod session;
pub mod sidecar;
pub mod telemetry;
mod upstream;
pub mod wire;
