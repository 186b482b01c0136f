//! Sign-ins on native clients that ended in this process and perhaps not yet in their rows.

use super::record::Session;
use crate::base::guid::Guid;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Prevents sessions from starting again from a row that ends a moment later. A sign-in is
/// forgotten after its row has ended.
#[derive(Debug, Default)]
pub struct EndedSignIns(Mutex<HashMap<Guid, &'static str>>);

impl EndedSignIns {
    /// Returns all of them, with the reasons for their rows.
    pub fn all(&self) -> Vec<(Guid, &'static str)> {
        self.lock().iter().map(|(id, reason)| (*id, *reason)).collect()
    }

    /// Whether a sign-in has ended, whatever its row says.
    pub fn contains(&self, client_sign_in: Guid) -> bool {
        self.lock().contains_key(&client_sign_in)
    }

    /// Forgets a sign-in after its row has ended.
    pub fn forget(&self, client_sign_in: Guid) {
        self.lock().remove(&client_sign_in);
    }

    /// Adds the sign-in of a session, if it is one of a native client.
    pub(in crate::session) fn add(&self, session: &Session, reason: &'static str) {
        if let Some(id) = session.via().client_sign_in() {
            self.lock().insert(id, reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Guid, &'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
