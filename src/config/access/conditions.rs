//! Reads one table of `allow` and checks who can match it.

use super::super::entra::{GroupsSource, SignInAudience, named};
use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue};
use super::rule::{AllowConditions, is_context};
use crate::base::company_code::CompanyCode;
use crate::base::domains::TenantName;
use crate::base::guid::Guid;

pub(super) fn table(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> AllowConditions {
    let values = |found: Vec<LocatedValue<String>>| -> Vec<String> {
        found.into_iter().map(|it| it.value).collect()
    };
    let table = AllowConditions {
        roles: values(
            section
                .key(
                    "roles",
                    "App roles, any of which matches. With a directory, the same table needs \
                     `organizations`",
                )
                .list(&[], not_empty),
        ),
        groups: values(groups(section, people)),
        users: values(users(section, people)),
        tenants: section
            .key("tenants", "The tenants that people belong to; a domain is resolved once")
            .list(&[], tenant)
            .into_iter()
            .map(|it| it.value)
            .collect(),
        organizations: values(
            section
                .key("organizations", "Organizations of the directory, by their code")
                .list(&[], organization),
        ),
        directory_roles: values(
            section
                .key(
                    "directory_roles",
                    "Roles in the directory, any of which matches. Together with `tenants`, the \
                     same table needs `organizations`",
                )
                .list(&[], |it| people.role(it)),
        ),
        acrs: values(
            section
                .key(
                    "acrs",
                    "Authentication contexts, one of which must be satisfied. If a person lacks \
                     only this, they are sent to Entra for it",
                )
                .list(&[], context),
        )
        .into(),
    };
    check_role_owner(section, people, &table);
    table
}

fn not_empty(text: &str) -> Result<String, InvalidValue> {
    if text.is_empty() { Err(InvalidValue::new("is empty")) } else { Ok(text.to_owned()) }
}

fn groups(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> Vec<LocatedValue<String>> {
    let groups = section
        .key(
            "groups",
            "Object IDs of groups, any of which matches. With a directory, group names need \
             `organizations` in the same table",
        )
        .list(&[], not_empty);
    for it in groups.iter().filter(|it| Guid::parse(&it.value).is_none()) {
        let invalid = InvalidValue::new(format!(
            "{} is a group name, but Entra sends object IDs",
            quote(&it.value)
        ));
        section.warn(&it.place, invalid.hint("copy the group's Object ID from Entra, unless tokens are configured to contain names"));
    }
    if let (Some(first), GroupsSource::Off) = (groups.first(), people.groups) {
        let invalid = InvalidValue::new("can never match: [entra] groups is \"off\"");
        section.add_problem(
            &first.place,
            invalid.hint("write [entra] groups = \"token\", or use roles"),
        );
    }
    groups
}

fn users(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> Vec<LocatedValue<String>> {
    let users = section.key("users", "People, by object ID or sign-in name").list(&[], user);
    for it in users.iter().filter(|it| people.are_many && Guid::parse(&it.value).is_none()) {
        let invalid = InvalidValue::new(format!(
            "{} is ambiguous: any tenant can assign that name",
            quote(&it.value)
        ));
        section.add_problem(
            &it.place,
            invalid.hint(
                "with several tenants, write the person's object ID, and add the tenant to tenants",
            ),
        );
    }
    users
}

/// Reports tables that match no one, and tables that must also name tenants or organizations.
fn check_role_owner(
    section: &ConfigSection<'_>,
    people: SignInAudience<'_>,
    table: &AllowConditions,
) {
    // An empty list would match everyone, while its author means no one.
    let keys = ["roles", "groups", "users", "tenants", "organizations", "directory_roles", "acrs"];
    if keys.iter().all(|it| section.look_up(it, None).is_none())
        || keys.iter().any(|it| section.is_empty_list(it))
    {
        let invalid = InvalidValue::new("matches no one")
            .hint("write at least one value for each key; or \"signed-in\", or \"nobody\"");
        section.add_problem(&section.locate_table(), invalid);
    }
    for name in ["organizations", "directory_roles"]
        .iter()
        .filter(|it| !people.has_directory && section.look_up(it, None).is_some())
    {
        section.add_problem(
            &section.locate(name),
            InvalidValue::new("needs [directory]")
                .hint("add [directory], or use tenants and roles"),
        );
    }
    if people.has_directory
        && !table.directory_roles.is_empty()
        && !table.tenants.is_empty()
        && table.organizations.is_empty()
    {
        let invalid = InvalidValue::new(
            "must also name organizations: each organization assigns its own, even in the same tenant",
        );
        section.add_problem(
            &section.locate("directory_roles"),
            invalid
                .hint("add organizations = [...] to the same table; tenants alone is not enough"),
        );
    }
    let theirs: [(_, &[String]); 4] = [
        ("roles", &table.roles),
        ("groups", &table.groups),
        ("users", &table.users),
        ("acrs", &table.acrs),
    ];
    let is_said = !table.tenants.is_empty() || !table.organizations.is_empty();
    for (name, values) in theirs.iter().filter(|it| people.are_many && !it.1.is_empty()) {
        if people.has_directory
            && table.organizations.is_empty()
            && is_of_a_registration(name, values)
        {
            let invalid = InvalidValue::new(
                "must also name organizations: each app registration defines its own, even in the same tenant",
            );
            section.add_problem(
                &section.locate(name),
                invalid.hint(
                    "add organizations = [...] to the same table; tenants alone is not enough",
                ),
            );
        } else if !is_said {
            let invalid = InvalidValue::new(
                "must also name tenants or organizations: each tenant defines its own",
            );
            section.add_problem(
                &section.locate(name),
                invalid.hint(if people.has_directory {
                    "add organizations = [...] to the same table"
                } else {
                    "add tenants = [...] to the same table"
                }),
            );
        } else if *name == "groups"
            && people.has_directory
            && table.organizations.is_empty()
            && people.groups == GroupsSource::Token
        {
            let invalid = InvalidValue::new(
                "is read from tokens, in which an organization's app registration may put names that look like object IDs",
            );
            section.warn(&section.locate(name), invalid.hint("add organizations = [...] to the same table, or write [entra] groups = \"graph\""));
        }
    }
}

/// Whether an app registration defines these values: app roles always, and group names that it puts
/// into its tokens. Object IDs of groups belong to the tenant.
fn is_of_a_registration(name: &str, values: &[String]) -> bool {
    name == "roles" || name == "groups" && values.iter().any(|it| Guid::parse(it).is_none())
}

impl SignInAudience<'_> {
    /// Reads one of `[directory] roles`. If those could not be read, the problem is already
    /// reported there.
    fn role(self, text: &str) -> Result<String, InvalidValue> {
        if self.roles.is_none_or(|all| all.iter().any(|it| it == text)) {
            return Ok(text.to_owned());
        }
        let known = self
            .roles
            .unwrap_or_default()
            .iter()
            .map(|it| quote(it))
            .collect::<Vec<_>>()
            .join(" or ");
        Err(InvalidValue::new(format!("{} is not one of [directory] roles", quote(text)))
            .hint(format!("write {known}")))
    }
}

fn organization(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a company code", quote(text)))
            .hint("write 4 to 32 of a-z, 0-9 and inner hyphens")
    };
    CompanyCode::parse(text).map(|it| it.to_string()).ok_or_else(refused)
}

fn user(text: &str) -> Result<String, InvalidValue> {
    let is_upn = text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@')
    }) && !text.contains(char::is_whitespace);
    let refused = || {
        InvalidValue::new(format!("{} is not a user", quote(text)))
            .hint("write an object ID, or a sign-in name like maya@contoso.com")
    };
    if is_upn || Guid::parse(text).is_some() { Ok(text.to_owned()) } else { Err(refused()) }
}

fn tenant(text: &str) -> Result<TenantName, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is neither a tenant ID nor a domain", quote(text)))
            .hint("write the Directory (tenant) ID, or a domain like contoso.com")
    };
    named(text).ok_or_else(refused)
}

fn context(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not an authentication context", quote(text)))
            .hint("write its ID, \"c1\" to \"c99\"")
    };
    if is_context(text) { Ok(text.to_owned()) } else { Err(refused()) }
}
