//! Handle of the open directory.

use super::client_sign_in::ClientSignInKeys;
use super::database::{Database, Transaction};
use super::error::Error;
use super::file;
use super::unfolded_form::UnfoldedForm;
use crate::base::clock::Clock;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config;
use crate::seal::envelope::Envelope;
use crate::seal::keyring::Keyring;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Purpose of the key that seals the organizations' credentials, and nothing else.
const SEAL_PURPOSE: &str = "directory, credential";

/// Organizations and their people; clones share the database's connections.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) database: Database,
    pub(super) config: Arc<config::directory::DirectoryConfig>,
    pub(super) envelope: Arc<Envelope>,
    pub(super) seals: Arc<ClientSignInKeys>,
    /// Credentials of the organizations in the configuration, by ID: they are not stored in the
    /// database.
    pub(super) of_file: Arc<HashMap<Guid, ClientCredential>>,
    pub(super) clock: Clock,
    pub(super) random: RandomSource,
    /// Names that stay in an earlier form.
    pub(super) unfolded: Arc<[UnfoldedForm]>,
    /// Counter in the IDs of rows that are read in the order in which they were written.
    written: Arc<AtomicU16>,
    /// Counter for tasks that run occasionally.
    turns: Arc<AtomicU16>,
}

impl Directory {
    /// Opens the database, migrates its tables and stored forms, and takes over the organizations
    /// from the configuration.
    ///
    /// # Errors
    /// Why the database cannot be used, or which organization of the configuration is invalid.
    pub async fn open(
        config: &config::directory::DirectoryConfig,
        keyring: &Keyring,
        clock: Clock,
        random: RandomSource,
    ) -> Result<Self, Error> {
        let database = Database::open(&config.database).await?;
        let now = clock.now();
        let of_file = file::take_over(&database, &config.organizations, now, &random).await?;
        let envelope = Arc::new(Envelope::new(keyring, SEAL_PURPOSE, &random));
        let mut directory = Self {
            database,
            config: Arc::new(config.clone()),
            envelope,
            seals: Arc::new(ClientSignInKeys::new(keyring, &random)),
            of_file: Arc::new(of_file),
            clock,
            random,
            unfolded: Arc::default(),
            written: Arc::default(),
            turns: Arc::default(),
        };
        directory.unfolded = directory.fold_stored_forms().await?.into();
        Ok(directory)
    }

    /// Returns the same directory with other secrets for sealing, for a reload that changes only
    /// these.
    #[must_use]
    pub fn sealed_by(&self, keyring: &Keyring) -> Self {
        let envelope = Arc::new(Envelope::new(keyring, SEAL_PURPOSE, &self.random));
        Self {
            envelope,
            seals: Arc::new(ClientSignInKeys::new(keyring, &self.random)),
            ..self.clone()
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Returns the configured roles.
    pub fn roles(&self) -> &[String] {
        &self.config.roles
    }

    /// Whether people with that role may open the set-up page of their organization.
    pub fn may_set_up(&self, role: &str) -> bool {
        self.config.setup_roles.iter().any(|it| it == role)
    }

    /// Refuses a role that is not configured.
    pub(super) fn role(&self, role: &str) -> Result<(), Error> {
        if self.config.roles.iter().any(|it| it == role) {
            Ok(())
        } else {
            Err(Error::NoRole(role.to_owned()))
        }
    }

    pub(super) fn new_id(&self) -> Guid {
        Guid::from_random(self.random.bytes())
    }

    /// Creates the ID of a row that is read in the order in which it was written.
    pub(super) fn next_id(&self) -> Guid {
        Guid::from_time(
            self.clock.now_millis(),
            self.written.fetch_add(1, Ordering::Relaxed),
            self.random.bytes(),
        )
    }

    /// Returns true once every `every` calls.
    pub(super) fn is_cleanup_due(&self, every: u16) -> bool {
        self.turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(every)
    }

    /// Writes a history entry; entries are never changed or deleted.
    pub(super) async fn audit(
        &self,
        changes: &mut Transaction,
        by: &str,
        organization: Option<Guid>,
        person: Option<Guid>,
        what: &str,
    ) -> Result<(), Error> {
        let values = vec![
            self.next_id().to_string().into(),
            self.clock.now().into(),
            by.into(),
            organization.map(|it| it.to_string()).into(),
            person.map(|it| it.to_string()).into(),
            what.into(),
        ];
        changes.run("INSERT INTO audit (id, at, actor, organization, person, what) VALUES ($1, $2, $3, $4, $5, $6)", values).await?;
        Ok(())
    }
}
