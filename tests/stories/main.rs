//! What people and programs live through with Entrada, each told as a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a story that cannot go on says so by falling over")]

mod fuzz;
mod image;
mod outside;
mod verify;
