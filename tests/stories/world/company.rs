//! Organizations for the stories, and the operator's view of a world's directory.

use super::samples::{CONTOSO, FABRIKAM};
use super::{CLIENT_ID, CLIENT_SECRET, RULES, World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::Directory;
use entrada::directory::change::{NewOrganization, NewPerson, OrganizationChange, PersonChange};
use entrada::directory::organization::{Organization, OrganizationState};
use entrada::directory::organization_credential::OrganizationCredential;
use entrada::directory::person::Person;

/// An organization whose tenant the emulator has.
pub struct SampleOrganization {
    pub code: &'static str,
    pub tenant: &'static str,
}

/// The organizations of most worlds.
pub const ORGANIZATIONS: [SampleOrganization; 2] = [
    SampleOrganization { code: "contoso", tenant: CONTOSO },
    SampleOrganization { code: "fabrikam", tenant: FABRIKAM },
];

/// Returns a company that is on, connected to a tenant, and has its own domain.
pub fn company(code: &str, tenant: &str) -> NewOrganization {
    NewOrganization {
        code: CompanyCode::parse(code),
        name: code.to_owned(),
        tenant: Guid::parse(tenant),
        client_id: Guid::parse(CLIENT_ID),
        proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
        domains: vec![format!("{code}.example")],
        on: true,
        ..NewOrganization::default()
    }
}

impl World {
    /// Returns the directory that the program uses: stories change it as a command does, in one
    /// step.
    pub fn directory(&self) -> Directory {
        self.internals().organizations.as_ref().unwrap().directory().clone()
    }

    pub async fn organization(&self, code: &str) -> Organization {
        self.directory().organization(&CompanyCode::parse(code).unwrap()).await.unwrap().unwrap()
    }

    pub async fn changes(&self, code: &str, change: OrganizationChange) {
        self.directory()
            .change_organization(&CompanyCode::parse(code).unwrap(), change, "story")
            .await
            .unwrap();
    }

    pub async fn turns(&self, code: &str, state: OrganizationState) {
        self.changes(
            code,
            OrganizationChange { state: Some(state), ..OrganizationChange::default() },
        )
        .await;
    }

    pub async fn person(&self, username: &str) -> Person {
        self.directory().person(&Username::parse(username).unwrap()).await.unwrap().unwrap()
    }

    /// Adds a person beforehand. Somebody whose role may open the set-up page is linked to the
    /// account of that name, as an operator does who knows its object ID.
    pub async fn knows(&self, username: &str, company: &str, role: &str) -> Person {
        let added = self.adds(username, company, role).await;
        let tenant = self.organization(company).await.tenant.map(|it| it.to_string());
        let all = self.emulator.people();
        let account =
            all.iter().find(|it| it.user_name == username && Some(&it.tenant) == tenant.as_ref());
        let Some(account) = account.filter(|_| self.directory().may_set_up(role)) else {
            return added;
        };
        let link = PersonChange { link: Guid::parse(&account.oid), ..PersonChange::default() };
        self.changes_person(username, link).await;
        self.person(username).await
    }

    /// Adds a person beforehand, without an account.
    pub async fn adds(&self, username: &str, company: &str, role: &str) -> Person {
        let new = NewPerson {
            username: Username::parse(username).unwrap(),
            name: None,
            email: None,
            role: Some(role.to_owned()),
        };
        self.directory()
            .add_person(&CompanyCode::parse(company).unwrap(), &new, "story")
            .await
            .unwrap()
    }

    pub async fn changes_person(&self, username: &str, change: PersonChange) {
        self.directory()
            .change_person(&Username::parse(username).unwrap(), change, "story")
            .await
            .unwrap();
    }

    /// Returns the company's change history, newest first, with the actor of each change.
    pub async fn history(&self, code: &str) -> Vec<String> {
        let all =
            self.directory().history(self.organization(code).await.id, None, 100).await.unwrap();
        all.into_iter().map(|it| format!("{}: {}", it.by, it.what)).collect()
    }
}

/// Returns Contoso and Fabrikam, as an operator adds them.
pub fn companies() -> [NewOrganization; 2] {
    ORGANIZATIONS.map(|it| company(it.code, it.tenant))
}

/// Returns a plan with trusted proxies, a directory with a company, and a native client, so that
/// all of Entrada's routes respond.
pub fn full() -> WorldPlan {
    let client = "[[native.client]]\nid = \"phone\"\nname = \"Phone\"\nredirect_uris = [\"http://127.0.0.1/signed-in\"]\n";
    // With several tenants, a role or group must also name the organization.
    let rules = RULES
        .replace("{ roles", "{ organizations = [\"contoso\"], roles")
        .replace("{ groups", "{ organizations = [\"contoso\"], groups");
    let more = format!("{}{rules}", company_of_file("contoso", CONTOSO));
    WorldPlan { more, ..WorldPlan::of_directory("").with_native(client).behind_proxy() }
}

/// Returns the same company as defined in the configuration, which no page can change.
pub fn company_of_file(code: &str, tenant: &str) -> String {
    format!(
        "[[organization]]\ncode = \"{code}\"\ntenant = \"{tenant}\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\ndomains = [\"{code}.example\"]\n"
    )
}
