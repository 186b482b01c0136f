//! Changes to all ID tokens from now on: their claims, their issuer, and the keys that sign them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::keys::SigningKey;
use super::tenants::EmulatedTenant;

/// The changes that a test made.
#[derive(Default)]
pub(super) struct TokenChanges {
    /// Claims to set; `None` removes a claim.
    claims: Mutex<Vec<(String, Option<Value>)>>,
    is_ciam: AtomicBool,
    /// The keys of apps with claims mapping, by client ID.
    own_keys: Mutex<HashMap<String, Arc<SigningKey>>>,
    /// The app whose key signs the tokens of another one.
    signers: Mutex<HashMap<String, String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TokenChanges {
    pub(super) fn set_claim(&self, name: &str, value: Option<Value>) {
        let mut claims = locked(&self.claims);
        claims.retain(|it| it.0 != name);
        claims.push((name.to_owned(), value));
    }

    pub(super) fn clear_claims(&self) {
        locked(&self.claims).clear();
    }

    /// Applies the changes to the claims of an ID token.
    pub(super) fn apply(&self, claims: &mut Map<String, Value>) {
        for (name, value) in locked(&self.claims).iter() {
            match value {
                Some(value) => drop(claims.insert(name.clone(), value.clone())),
                None => drop(claims.remove(name)),
            }
        }
    }

    pub(super) fn be_ciam(&self, on: bool) {
        self.is_ciam.store(on, Ordering::Relaxed);
    }

    /// Returns the issuer of version 2.0 tokens: for one tenant, or with literal braces. An
    /// External ID tenant has its own host, whatever its authority is.
    pub(super) fn issuer(&self, authority: &str, home: Option<&EmulatedTenant>) -> String {
        let tenant = home.map_or("{tenantid}", |it| it.id);
        if self.is_ciam.load(Ordering::Relaxed) {
            format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0")
        } else {
            format!("{authority}/{tenant}/v2.0")
        }
    }

    pub(super) fn add_own_key(&self, client: &str, key: SigningKey) {
        locked(&self.own_keys).insert(client.to_owned(), Arc::new(key));
    }

    pub(super) fn sign_with_key_of(&self, client: &str, other: &str) {
        locked(&self.signers).insert(client.to_owned(), other.to_owned());
    }

    /// Returns the own key of an app, which is published for it alone.
    pub(super) fn own_key(&self, client: &str) -> Option<Arc<SigningKey>> {
        let keys = locked(&self.own_keys);
        keys.iter().find(|it| it.0.eq_ignore_ascii_case(client)).map(|it| Arc::clone(it.1))
    }

    /// Returns the key that signs the tokens of an app, if it is not the tenant's.
    pub(super) fn signer(&self, client: &str) -> Option<Arc<SigningKey>> {
        let other = locked(&self.signers).get(client).cloned();
        self.own_key(other.as_deref().unwrap_or(client))
    }
}
