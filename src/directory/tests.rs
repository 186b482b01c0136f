//! One test suite for both databases. Uses Debian's PostgreSQL, started here on its own socket.

mod accounts;
mod admin;
mod admitting;
mod approving;
mod by_tls;
mod client_sign_ins;
mod credential;
mod domains;
mod erased_names;
mod erasing;
mod importing;
mod keeping;
mod linking;
mod managing;
mod organizations_of_file;
mod postgres;
mod previews;
mod racing;
mod refresh_lease;
mod refusals;
mod request_lists;
mod rotation;
mod setting_up;
mod stored_forms;
mod undoing;
mod watching;

use super::change::{NewOrganization, NewPerson, PersonChange};
use super::client_sign_in::ClientSignIn;
use super::first_sign_in::MembershipRefusal;
use super::organization::{ConnectionCredential, EntraConnection, Organization};
use super::organization_credential::OrganizationCredential;
use super::person::Person;
use super::{Directory, Error};
use crate::base::clock::Clock;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use crate::base::username::Username;
use crate::config::directory::{
    DatabaseConfig, DirectoryConfig as Config, FirstSignInRule, UnknownIdentifier,
};
use crate::seal::keyring::Keyring;
use crate::seal::random;

/// The database of a test: the address of an empty one, which exists as long as the test runs.
struct DatabaseFixture {
    config: Config,
    clock: Clock,
    _folder: Option<tempfile::TempDir>,
}

const CONTOSO: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const FABRIKAM: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
const CLIENT: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const VALUE: &str = "8Qx~uN7mGd2Jz4kPw9Rt5Yb1Vc6Hs3Lf";

/// Runs a test on SQLite, and on PostgreSQL if it is installed.
async fn on_both<F: Future<Output = ()>>(story: impl Fn(DatabaseFixture) -> F) {
    story(DatabaseFixture::sqlite()).await;
    if let Some(address) = postgres::database() {
        story(DatabaseFixture {
            config: config(DatabaseConfig::Postgres(Secret::new(address))),
            clock: Clock::system(),
            _folder: None,
        })
        .await;
    }
}

fn config(database: DatabaseConfig) -> Config {
    let roles = ["owner", "admin", "worker"].map(str::to_owned).to_vec();
    let role_map = [("Fleet.Admin", "admin"), ("Fleet.Owner", "owner")]
        .map(|it| (it.0.to_owned(), it.1.to_owned()))
        .to_vec();
    Config {
        database,
        roles,
        default_role: "worker".to_owned(),
        setup_roles: ["owner", "admin"].map(str::to_owned).to_vec(),
        first_sign_in: FirstSignInRule::Create,
        unknown: UnknownIdentifier::Say,
        dns_server: None,
        role_map,
        organizations: Vec::new(),
    }
}

impl DatabaseFixture {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = DatabaseConfig::Sqlite(folder.path().join("entrada.db"));
        Self { config: config(database), clock: Clock::system(), _folder: Some(folder) }
    }

    async fn open(&self) -> Directory {
        self.opened_with(&["a secret of the stories, longer than 32 bytes"]).await.unwrap()
    }

    async fn opened_with(&self, secrets: &[&str]) -> Result<Directory, Error> {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        let random = random::system();
        Directory::open(&self.config, &Keyring::new(&secrets, &random), self.clock.clone(), random)
            .await
    }
}

/// A directory in SQLite with a person who is signed in on a client, for unit tests of other
/// modules.
pub(crate) struct ClientSignInFixture {
    pub(crate) directory: Directory,
    /// Refresh token: `a refresh token of Entra's`. Known groups: `one`.
    pub(crate) sign_in: ClientSignIn,
    pub(crate) clock: Clock,
    _fixture: DatabaseFixture,
}

impl ClientSignInFixture {
    pub(crate) async fn new() -> Self {
        let fixture = DatabaseFixture::sqlite();
        let directory = fixture.open().await;
        let sign_in = client_sign_ins::signed_in(&directory).await.sign_in;
        Self { directory, sign_in, clock: fixture.clock.clone(), _fixture: fixture }
    }
}

/// Returns the Value of the client secret that works.
fn in_use(by: &EntraConnection) -> &str {
    let ConnectionCredential::Sealed(proof) = &by.by else { panic!("{by:?}") };
    proof.value()
}

fn code(text: &str) -> CompanyCode {
    CompanyCode::parse(text).unwrap()
}

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

async fn organization(
    directory: &Directory,
    text: &str,
    tenant: &str,
    domains: &[&str],
) -> Organization {
    let new = NewOrganization {
        code: Some(code(text)),
        name: text.to_owned(),
        tenant: Guid::parse(tenant),
        client_id: Guid::parse(CLIENT),
        proof: Some(OrganizationCredential::secret(VALUE)),
        domains: domains.iter().map(|it| (*it).to_owned()).collect(),
        on: true,
        ..NewOrganization::default()
    };
    directory.add_organization(new, "a story").await.unwrap()
}

async fn person(
    directory: &Directory,
    organization: &Organization,
    username: &str,
    email: Option<&str>,
) -> Person {
    let new = NewPerson {
        username: name(username),
        name: None,
        email: email.map(str::to_owned),
        role: None,
    };
    directory.add_person(&organization.code, &new, "a story").await.unwrap()
}

impl Directory {
    /// Admits an account that typed nothing.
    async fn admit_identity(
        &self,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Person, MembershipRefusal> {
        self.admit_account(who, organization, None).await.map(|it| it.person)
    }
}

/// Returns a member of a tenant; the number becomes the object ID.
fn who(tenant: &str, number: u8, upn: &str) -> Identity {
    Identity {
        name: Some("Maya Okafor".into()),
        preferred_username: Some(upn.into()),
        member_upn: Some(upn.into()),
        ..Identity::new(Guid::from_random([number; 16]), Guid::parse(tenant).unwrap())
    }
}
