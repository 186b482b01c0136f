//! Decides who may open a path. Only this module creates a [`policy::Permit`]; it does not know
//! requests, cookies or Entra.

pub mod policy;
