//! The people in the emulated tenant: one for each case that a sign-in can encounter.

use super::refusals::{RefusalRow, RefusalStage, rows};
use super::registration::EmulatedRegistration;
use super::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};

/// An obstacle between a person and the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInObstacle {
    /// The app requires an assignment, and this person has none (AADSTS50105).
    NotAssigned,
    /// Consent is required at each sign-in (AADSTS65001).
    MustConsent,
    /// Conditional Access blocks the sign-in (AADSTS53003).
    Blocked,
    /// The password has expired (AADSTS50055).
    PasswordExpired,
    /// The account is disabled (AADSTS50057).
    Disabled,
    /// This code from the table, at its stage.
    Code(u32),
}

/// A person in the emulated tenant.
#[derive(Clone, Debug)]
pub struct EmulatedPerson {
    /// The object ID, a GUID.
    pub oid: String,
    /// The tenant that this object is in, a GUID.
    pub tenant: String,
    /// The display name.
    pub name: String,
    /// The value of `preferred_username`.
    pub user_name: String,
    /// The optional claim `upn`, if the registration has it.
    pub upn: Option<String>,
    /// The optional claim `acct`, if the registration has it: 0 for members, 1 for guests.
    pub acct: Option<u8>,
    /// Whether this is an agent's own user account.
    pub agent: bool,
    /// The mail address, if there is one.
    pub email: Option<String>,
    /// Whether Entra reports the address's domain as the tenant's own (`xms_edov`).
    pub email_verified: bool,
    /// The app roles.
    pub roles: Vec<String>,
    /// The object IDs of all groups.
    pub groups: Vec<String>,
    /// The home tenant of a guest.
    pub home_tenant: Option<String>,
    /// The description of this person in the picker.
    pub about: &'static str,
    /// The reason that the sign-in does not succeed.
    pub obstacle: Option<SignInObstacle>,
}

fn person(number: u32, name: &str, user_name: &str, about: &'static str) -> EmulatedPerson {
    EmulatedPerson {
        oid: format!("00aa00aa-bb11-cc22-dd33-44ee44ee{number:04x}"),
        tenant: CONTOSO.id.to_owned(),
        name: name.to_owned(),
        user_name: user_name.to_owned(),
        upn: Some(user_name.to_owned()),
        acct: Some(0),
        agent: false,
        email: Some(user_name.to_owned()),
        email_verified: false,
        roles: Vec::new(),
        groups: Vec::new(),
        home_tenant: None,
        about,
        obstacle: None,
    }
}

fn groups(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("0a1b2c3d-0000-4000-8000-{number:012x}")).collect()
}

/// Returns all people in the emulated tenants, in the order of the picker.
pub(super) fn all_people(registrations: &[EmulatedRegistration]) -> Vec<EmulatedPerson> {
    let mut all = usual();
    if registrations.iter().any(|it| it.tenant == NORTHWIND.id) {
        all.extend(of_northwind());
    }
    all
}

fn of_northwind() -> [EmulatedPerson; 4] {
    let here = |number, name, user_name, about| EmulatedPerson {
        tenant: NORTHWIND.id.to_owned(),
        ..person(number, name, user_name, about)
    };
    [
        here(14, "Nora Berg", "nora@northwind.example", "of Northwind"),
        here(15, "Nils Holm", "nils@northwind.example", "of Northwind"),
        here(16, "Nele Brandt", "nele@northwind.example", "of Northwind"),
        EmulatedPerson {
            obstacle: Some(SignInObstacle::NotAssigned),
            ..here(
                17,
                "Noor Haddad",
                "noor@northwind.example",
                "of Northwind, not assigned to the app",
            )
        },
    ]
}

fn usual() -> Vec<EmulatedPerson> {
    let with_trouble =
        |person: EmulatedPerson, obstacle| EmulatedPerson { obstacle: Some(obstacle), ..person };
    vec![
        EmulatedPerson {
            roles: vec!["Admin".to_owned()],
            groups: groups(3),
            ..person(1, "Maya Okafor", "maya@contoso.example", "role Admin, three groups")
        },
        person(2, "Tom Becker", "tom@contoso.example", "no role"),
        EmulatedPerson {
            email: None,
            ..person(3, "Ines Duarte", "ines@contoso.example", "no e-mail address")
        },
        EmulatedPerson {
            home_tenant: Some(FABRIKAM.id.to_owned()),
            upn: Some("priya_fabrikam.example#EXT#@contoso.example".to_owned()),
            acct: Some(1),
            ..person(4, "Priya Nair", "priya@fabrikam.example", "guest of another tenant")
        },
        person(5, "Zoë Łukasiewicz 山田", "zoe@contoso.example", "a name beyond ASCII"),
        EmulatedPerson {
            groups: groups(600),
            ..person(6, "Grace Many", "grace@contoso.example", "member of 600 groups")
        },
        with_trouble(
            person(7, "Noah Unassigned", "noah@contoso.example", "not assigned to the app"),
            SignInObstacle::NotAssigned,
        ),
        with_trouble(
            person(8, "Carla Consent", "carla@contoso.example", "must consent first"),
            SignInObstacle::MustConsent,
        ),
        with_trouble(
            person(9, "Bruno Blocked", "bruno@contoso.example", "blocked by conditional access"),
            SignInObstacle::Blocked,
        ),
        with_trouble(
            person(10, "Xenia Expired", "xenia@contoso.example", "password has expired"),
            SignInObstacle::PasswordExpired,
        ),
        EmulatedPerson {
            email_verified: true,
            ..of_fabrikam(11, "Frida Fabrikam", "frida@fabrikam.example", "of another tenant")
        },
        EmulatedPerson {
            email: Some("maya@contoso.example".to_owned()),
            ..of_fabrikam(
                12,
                "Felix Fabrikam",
                "felix@fabrikam.example",
                "of another tenant, with an address of Contoso",
            )
        },
        personal(),
    ]
}

fn of_fabrikam(number: u32, name: &str, user_name: &str, about: &'static str) -> EmulatedPerson {
    EmulatedPerson { tenant: FABRIKAM.id.to_owned(), ..person(number, name, user_name, about) }
}

/// Returns a person with a personal account.
fn personal() -> EmulatedPerson {
    let oid = "00000000-0000-0000-66aa-66aa66aa66aa".to_owned();
    EmulatedPerson {
        oid,
        tenant: PERSONAL.id.to_owned(),
        ..person(13, "Petra Personal", "petra@outlook.example", "a personal account")
    }
}

/// Returns the guests as objects in their home tenants: other objects with other IDs, and not
/// guests there.
pub(super) fn guests_at_home() -> Vec<EmulatedPerson> {
    let guests = usual().into_iter().filter(|it| it.home_tenant.is_some()).zip(0x0f00..);
    let at_home = |(guest, number): (EmulatedPerson, u32)| {
        let EmulatedPerson { home_tenant, name, user_name, .. } = guest;
        EmulatedPerson {
            tenant: home_tenant.unwrap_or_default(),
            ..person(number, &name, &user_name, "guest of Contoso, here at home")
        }
    };
    guests.map(at_home).collect()
}

/// Returns one person for each code in the table, such as `aadsts50105@contoso.example`.
pub(super) fn of_codes() -> Vec<EmulatedPerson> {
    let about = |place| match place {
        RefusalStage::Page => "stays on the page of Entra",
        RefusalStage::Callback => "comes back to the app",
        RefusalStage::Token => "comes from the token endpoint",
    };
    let numbered = rows().zip(0x1000..);
    let of_code = |(row, number): (&RefusalRow, u32)| {
        let name = format!("AADSTS{}", row.code);
        let person =
            person(number, &name, &format!("aadsts{}@contoso.example", row.code), about(row.stage));
        EmulatedPerson { obstacle: Some(SignInObstacle::Code(row.code)), ..person }
    };
    numbered.map(of_code).collect()
}
