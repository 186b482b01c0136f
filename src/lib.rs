//! Entra ID sign-in in front of any web app. ARCHITECTURE.md describes how the modules fit
//! together.

pub mod access;
pub mod base;
pub mod bearer;
pub mod cli;
pub mod config;
pub mod demo;
pub mod directory;
pub mod emulator;
pub mod entra;
pub mod flow;
pub mod headers;
pub mod pages;
pub mod seal;
pub mod server;
pub mod service;
pub mod session;
pub mod sidecar;
pub mod telemetry;
pub mod upstream;
pub mod wire;
