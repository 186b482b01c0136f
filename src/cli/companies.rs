//! The companies of `entrada dev --organizations`: two that work, and one that its admin has yet to set up.

use super::terminal::CommandError;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::base::site::Site;
use crate::base::username::Username;
use crate::directory::change::{NewOrganization, NewPerson, PersonChange};
use crate::directory::organization::OrganizationState;
use crate::directory::organization_credential::OrganizationCredential;
use crate::directory::{Directory, Error};
use crate::emulator::EmulatedRegistration;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Actor in the change history.
const HISTORY_ACTOR: &str = "entrada dev";

/// A company with a registration in its own emulated tenant. Its values are not secret: they exist
/// only in the emulator.
struct EmulatedCompany {
    code: &'static str,
    name: &'static str,
    domain: &'static str,
    tenant: &'static str,
    client_id: &'static str,
    client_secret: &'static str,
    secret_id: &'static str,
    /// Known people; others become workers.
    people: &'static [KnownPerson],
    is_on: bool,
}

/// A person who is added before the first sign-in.
struct KnownPerson {
    username: &'static str,
    role: &'static str,
    /// Object ID of the account, which is linked in advance: otherwise, somebody whose role may
    /// open the set-up page would wait for an approval.
    oid: Option<&'static str>,
}

const COMPANIES: [EmulatedCompany; 3] = [
    EmulatedCompany {
        code: "contoso",
        name: "Contoso Freight",
        domain: "contoso.example",
        tenant: "aaaabbbb-0000-cccc-1111-dddd2222eeee",
        client_id: "22223333-cccc-4444-8ddd-5555eeee6666",
        client_secret: "c0n~pretend.Value.of-Contoso",
        secret_id: "22223333-5ec1-4e71-8ddd-0000000000c0",
        people: &[
            KnownPerson {
                username: "maya@contoso.example",
                role: "owner",
                oid: Some("00aa00aa-bb11-cc22-dd33-44ee44ee0001"),
            },
            KnownPerson { username: "tom@contoso.example", role: "worker", oid: None },
        ],
        is_on: true,
    },
    EmulatedCompany {
        code: "fabrikam",
        name: "Fabrikam Rail",
        domain: "fabrikam.example",
        tenant: "bbbbcccc-1111-dddd-2222-eeee3333ffff",
        client_id: "33334444-dddd-4555-8eee-6666ffff7777",
        client_secret: "fab~pretend.Value.of-Fabrikam",
        secret_id: "33334444-5ec1-4e71-8eee-0000000000fa",
        people: &[KnownPerson {
            username: "frida@fabrikam.example",
            role: "admin",
            oid: Some("00aa00aa-bb11-cc22-dd33-44ee44ee000b"),
        }],
        is_on: true,
    },
    EmulatedCompany {
        code: "northwind",
        name: "Northwind Traders",
        domain: "northwind.example",
        tenant: "ccccdddd-2222-eeee-3333-ffff4444aaaa",
        client_id: "44445555-eeee-4666-8fff-7777aaaa8888",
        client_secret: "nor~pretend.Value.of-Northwind",
        secret_id: "44445555-5ec1-4e71-8fff-000000000000",
        people: &[],
        is_on: false,
    },
];

/// Their app registrations.
pub(super) fn registrations() -> Vec<EmulatedRegistration> {
    let registration = |it: &EmulatedCompany| EmulatedRegistration {
        tenant: it.tenant.to_owned(),
        client_id: it.client_id.to_owned(),
        client_secret: it.client_secret.to_owned(),
        secret_id: it.secret_id.to_owned(),
    };
    COMPANIES.iter().map(registration).collect()
}

/// Creates missing companies and keeps changed ones. Returns the set-up link of the one that is not
/// set up yet.
pub(super) async fn create_companies(
    directory: &Directory,
    site: &Site,
) -> Result<Option<String>, Error> {
    for company in &COMPANIES {
        let Some(code) = CompanyCode::parse(company.code) else { continue };
        if directory.organization(&code).await?.is_some() {
            continue;
        }
        directory.add_organization(company.as_new(), HISTORY_ACTOR).await?;
        for person in company.people {
            let Some(username) = Username::parse(person.username) else { continue };
            let role = Some(person.role.to_owned());
            let new = NewPerson { username, name: None, email: None, role };
            directory.add_person(&code, &new, HISTORY_ACTOR).await?;
            let link = person.oid.and_then(Guid::parse);
            let change = PersonChange { link, ..PersonChange::default() };
            directory.change_person(&new.username, change, HISTORY_ACTOR).await?;
        }
    }
    let mut link = None;
    for code in COMPANIES.iter().filter_map(|it| CompanyCode::parse(it.code)) {
        if directory
            .organization(&code)
            .await?
            .is_some_and(|it| it.state == OrganizationState::Draft)
        {
            link = Some(
                site.invitation_url(directory.invite(&code, HISTORY_ACTOR).await?.token.expose()),
            );
        }
    }
    Ok(link)
}

impl EmulatedCompany {
    fn as_new(&self) -> NewOrganization {
        let filled = |text: &str| self.is_on.then(|| Guid::parse(text)).flatten();
        NewOrganization {
            code: CompanyCode::parse(self.code),
            name: self.name.to_owned(),
            tenant: filled(self.tenant),
            client_id: filled(self.client_id),
            proof: self
                .is_on
                .then(|| OrganizationCredential::of_value(self.client_secret).ok())
                .flatten(),
            domains: vec![self.domain.to_owned()],
            on: self.is_on,
            ..NewOrganization::default()
        }
    }
}

/// Lines of what can be typed and opened, for the block that is printed at the start.
pub(super) fn lines(link: Option<&str>) -> String {
    let known = |it: &EmulatedCompany| {
        it.people
            .iter()
            .map(|it| format!("{} ({})", it.username, it.role))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let line = |it: &EmulatedCompany| format!("{:<10}or {}", it.code, known(it));
    let typed =
        COMPANIES.iter().filter(|it| it.is_on).map(line).collect::<Vec<_>>().join("\n            ");
    let link = link
        .map(|it| format!("\n  set up    {it} (for Northwind's admin; works once)"))
        .unwrap_or_default();
    format!("type      {typed}{link}")
}

/// Location of the database: kept, or deleted at exit.
pub(super) struct DatabaseLocation {
    directory: PathBuf,
    is_kept: bool,
}

impl DatabaseLocation {
    /// The directory, made for its owner alone.
    pub(super) fn at(kept: Option<&Path>, random: &RandomSource) -> Result<Self, CommandError> {
        let directory = kept.map_or_else(
            || std::env::temp_dir().join(format!("entrada-dev-{}", random.text::<12>())),
            Path::to_owned,
        );
        let refused = |it: io::Error| {
            CommandError::new(format!("cannot create {}: {it}", directory.display()))
                .hint("choose another directory with --data")
        };
        DirBuilder::new()
            .mode(0o700)
            .recursive(kept.is_some())
            .create(&directory)
            .map_err(refused)?;
        Ok(Self { directory, is_kept: kept.is_some() })
    }

    /// The file of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.directory.join("entrada.db")
    }

    /// Session secret, kept beside the database, because no other one opens the credentials.
    pub(super) fn secret(&self, random: &RandomSource) -> Result<String, CommandError> {
        let path = self.directory.join("secret");
        let refused =
            |it: io::Error| CommandError::new(format!("cannot use {}: {it}", path.display()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                let secret = random.text::<32>();
                file.write_all(secret.as_bytes()).map_err(refused)?;
                Ok(secret)
            }
            Err(it) if it.kind() == io::ErrorKind::AlreadyExists => {
                fs::read_to_string(&path).map_err(refused)
            }
            Err(it) => Err(refused(it)),
        }
    }
}

impl Drop for DatabaseLocation {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
