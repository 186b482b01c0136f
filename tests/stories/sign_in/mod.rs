//! Signing in, and how a session goes on.

mod callback;
mod session;
mod start;
mod tokens;
mod under_way;
