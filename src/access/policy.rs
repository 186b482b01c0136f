//! The compiled access rules and their verdicts.

use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::target::Target;
use crate::config::access::{
    AccessConfig, AccessRule, Allow, AllowConditions, AuthContexts, SignedOutAnswer,
};
use crate::session::record::Session;
use http::Method;
use std::sync::Arc;

/// The compiled rules of `[access]`.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<AccessRule>,
    default: AccessRule,
    domains: Arc<TenantDomains>,
    has_directory: bool,
}

/// Permission to forward one target. Not `Clone`: one judgment covers one request.
#[derive(Debug)]
pub struct Permit {
    target: Target,
    session: Option<Arc<Session>>,
}

impl Permit {
    /// The target that was judged, unchanged.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The session it was judged with, if the caller is signed in.
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Consumes the permit and returns the target and session it was given for, so that they can be
    /// judged again while the request lasts.
    pub fn into_parts(self) -> (Target, Option<Arc<Session>>) {
        (self.target, self.session)
    }
}

/// The result of a judgment.
#[derive(Debug)]
pub enum Verdict {
    /// The request is allowed.
    Permitted(Permit),
    /// The caller must sign in first and, if authentication contexts are listed, satisfy one of
    /// them on the way.
    SignIn(SignedOutAnswer, Option<AuthContexts>),
    /// The caller is signed in and lacks only one of these authentication contexts.
    StepUp(SignedOutAnswer, AuthContexts),
    /// The caller is signed in but not allowed.
    Forbidden,
    /// A group rule decides, and Entra did not send the groups (overage).
    GroupsUnknown(SignedOutAnswer),
}

/// A verdict and the rule that produced it.
#[derive(Debug)]
pub struct RuleVerdict {
    /// The result of the judgment.
    pub verdict: Verdict,
    /// The rule's line in the file; `None` if the default decided.
    pub line: Option<usize>,
}

/// The reason for a decision, for `entrada explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionReason<'a> {
    /// The first rule whose path and method match.
    Rule(&'a AccessRule),
    /// No rule matches the path.
    Default(&'a AccessRule),
    /// Rules match the path, but none covers the method: the request is refused.
    NoMethod,
}

/// The expected result of a judgment, for `entrada explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedOutcome<'a> {
    /// The request is allowed.
    Allow,
    /// The request is refused.
    Refuse,
    /// The request is refused because a group decides and Entra did not send the groups (overage).
    GroupsUnknown,
    /// A signed-out caller must sign in first.
    SignIn,
    /// One of these authentication contexts must be satisfied first.
    StepUp(&'a [String]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleMatch<'a> {
    Yes,
    No,
    Unknown,
    /// Everything matches except the authentication contexts.
    StepUp(&'a AuthContexts),
}

impl Policy {
    /// Compiles the rules in their order; `domains` maps the domains in them to tenants.
    pub fn compile(config: &AccessConfig, domains: Arc<TenantDomains>) -> Self {
        let path = crate::base::pattern::PathPattern::everything();
        let default = AccessRule {
            path,
            methods: Vec::new(),
            allow: config.default.clone(),
            signed_out: SignedOutAnswer::Auto,
            line: 0,
        };
        Self { rules: config.rules.clone(), default, domains, has_directory: config.has_directory }
    }

    /// Judges a request for `target` made with `session`.
    pub fn judge(&self, target: Target, session: Option<Arc<Session>>) -> RuleVerdict {
        let who = session.as_deref().map(Session::identity);
        let who = who.as_ref().map(|it| &***it);
        let (allow, signed_out, line) = match self.because(&target, who) {
            DecisionReason::Rule(rule) => (&rule.allow, rule.signed_out, Some(rule.line)),
            DecisionReason::Default(rule) => (&rule.allow, rule.signed_out, None),
            DecisionReason::NoMethod => (&Allow::Nobody, SignedOutAnswer::Auto, None),
        };
        let verdict = match self.fits(allow, who) {
            Some(RuleMatch::Yes) => Verdict::Permitted(Permit { target, session }),
            Some(RuleMatch::No) => Verdict::Forbidden,
            Some(RuleMatch::Unknown) => Verdict::GroupsUnknown(signed_out),
            Some(RuleMatch::StepUp(acrs)) => Verdict::StepUp(signed_out, Arc::clone(acrs)),
            None => Verdict::SignIn(signed_out, required_of_everyone(allow).map(Arc::clone)),
        };
        RuleVerdict { verdict, line }
    }

    /// Returns the rule that decides on a target. If an app may read the path differently from how
    /// it is written, those readings are judged too, and all must allow the person: `/%61dmin` does
    /// not bypass a rule for `/admin/**`.
    pub fn because(&self, target: &Target, who: Option<&Identity>) -> DecisionReason<'_> {
        let mut reason = self.first(target.method(), |it| it.path.matches(target.path()));
        for other in target.other_readings() {
            if !self.permits(&reason, who) {
                break;
            }
            reason = self.first(target.method(), |it| it.path.matches_decoded(&other));
        }
        reason
    }

    fn first(&self, method: &Method, matches: impl Fn(&AccessRule) -> bool) -> DecisionReason<'_> {
        let mut named = false;
        for rule in &self.rules {
            if matches(rule) {
                if rule.covers_method(method) {
                    return DecisionReason::Rule(rule);
                }
                named = true;
            }
        }
        if named { DecisionReason::NoMethod } else { DecisionReason::Default(&self.default) }
    }

    /// The outcome that a rule's `allow` has for a person, or for a signed-out caller if `identity`
    /// is `None`; for `entrada explain`.
    pub fn would<'a>(&self, allow: &'a Allow, identity: Option<&Identity>) -> ExpectedOutcome<'a> {
        match self.fits(allow, identity) {
            Some(RuleMatch::Yes) => ExpectedOutcome::Allow,
            Some(RuleMatch::No) => ExpectedOutcome::Refuse,
            Some(RuleMatch::Unknown) => ExpectedOutcome::GroupsUnknown,
            Some(RuleMatch::StepUp(acrs)) => ExpectedOutcome::StepUp(acrs),
            None => ExpectedOutcome::SignIn,
        }
    }

    /// All groups and roles that any rule names. If not all of a person's groups and roles fit into
    /// the headers, these go to the app first.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let tables =
            self.rules.iter().map(|it| &it.allow).chain([&self.default.allow]).filter_map(|it| {
                match it {
                    Allow::Tables(tables) => Some(tables),
                    _ => None,
                }
            });
        tables.flatten().flat_map(|it| it.groups.iter().chain(&it.roles)).map(String::as_str)
    }

    fn permits(&self, because: &DecisionReason<'_>, who: Option<&Identity>) -> bool {
        match because {
            DecisionReason::Rule(rule) | DecisionReason::Default(rule) => {
                self.fits(&rule.allow, who) == Some(RuleMatch::Yes)
            }
            DecisionReason::NoMethod => false,
        }
    }

    /// Returns `None` if a signed-out caller must sign in before the rule can be decided.
    fn fits<'a>(&self, allow: &'a Allow, who: Option<&Identity>) -> Option<RuleMatch<'a>> {
        match (allow, who) {
            (Allow::Anyone, _) | (Allow::SignedIn, Some(_)) => Some(RuleMatch::Yes),
            (Allow::Nobody, _) => Some(RuleMatch::No),
            (Allow::SignedIn | Allow::Tables(_), None) => None,
            (Allow::Tables(tables), Some(who)) => {
                let mut fit = RuleMatch::No;
                for table in tables {
                    match (self.matches_identity(table, who), fit) {
                        (RuleMatch::Yes, _) => return Some(RuleMatch::Yes),
                        // The first table that leads on wins, even if groups are unknown: the
                        // caller can act on it.
                        (it @ RuleMatch::StepUp(_), RuleMatch::No | RuleMatch::Unknown)
                        | (it @ RuleMatch::Unknown, RuleMatch::No) => fit = it,
                        _ => {}
                    }
                }
                Some(fit)
            }
        }
    }

    /// Every list that is not empty must match; an empty table matches no one.
    fn matches_identity<'a>(&self, table: &'a AllowConditions, who: &Identity) -> RuleMatch<'a> {
        match self.is_for(table, who) {
            RuleMatch::Yes
                if !table.acrs.is_empty() && !table.acrs.iter().any(|it| who.acrs.contains(it)) =>
            {
                RuleMatch::StepUp(&table.acrs)
            }
            fit => fit,
        }
    }

    /// Like `matches_identity`, but without the authentication contexts.
    fn is_for<'a>(&self, table: &'a AllowConditions, who: &Identity) -> RuleMatch<'a> {
        let AllowConditions { roles, groups, users, tenants, organizations, directory_roles, acrs } =
            table;
        let nobody =
            [roles, groups, users, organizations, directory_roles].iter().all(|it| it.is_empty())
                && tenants.is_empty()
                && acrs.is_empty();
        if nobody {
            return RuleMatch::No;
        }
        // Values that an app registration defines are valid only together with the organization
        // that brought the registration (`check` rejects such a table; this code does not rely on
        // that). Without a directory there is only one registration.
        let is_theirs = !organizations.is_empty() || !(self.has_directory || who.member.is_some());
        // With `role_map`, a registration decides about directory roles too: a table that combines
        // tenants with directory roles must also name the organization.
        let is_their_role = is_theirs || tenants.is_empty();
        let known = (roles.is_empty()
            || (is_theirs && roles.iter().any(|it| who.roles.contains(it))))
            && (users.is_empty() || users.iter().any(|it| is_user(it, who)))
            && (tenants.is_empty()
                || tenants.iter().any(|it| self.domains.matches_tenant(it, who.tid)))
            && (organizations.is_empty()
                || who
                    .member
                    .as_deref()
                    .is_some_and(|who| organizations.iter().any(|it| **it == *who.code)))
            && (directory_roles.is_empty()
                || is_their_role
                    && who
                        .member
                        .as_deref()
                        .is_some_and(|who| directory_roles.iter().any(|it| **it == *who.role)));
        // A group's object ID belongs to the tenant; its name is set freely by the registration.
        let mut groups =
            groups.iter().filter(|it| is_theirs || Guid::parse(it).is_some()).peekable();
        let names_groups = !table.groups.is_empty();
        match (known, names_groups, &who.groups) {
            (false, ..) => RuleMatch::No,
            (true, false, _) => RuleMatch::Yes,
            (true, true, _) if groups.peek().is_none() => RuleMatch::No,
            (true, true, PersonGroups::Overage) => RuleMatch::Unknown,
            (true, true, PersonGroups::Known(theirs))
                if groups.any(|it| theirs.iter().any(|theirs| theirs.eq_ignore_ascii_case(it))) =>
            {
                RuleMatch::Yes
            }
            (true, true, PersonGroups::Known(_)) => RuleMatch::No,
        }
    }
}

/// The authentication contexts to request when a signed-out caller signs in: those of the first
/// table, if every table requires some. If one table requires none, none are requested.
fn required_of_everyone(allow: &Allow) -> Option<&AuthContexts> {
    let Allow::Tables(tables) = allow else { return None };
    tables.first().map(|it| &it.acrs).filter(|_| tables.iter().all(|it| !it.acrs.is_empty()))
}

fn is_user(named: &str, who: &Identity) -> bool {
    match Guid::parse(named) {
        Some(oid) => oid == who.oid,
        // Usernames are unique per tenant only, and with organizations there are several tenants.
        None => {
            who.member.is_none()
                && who
                    .preferred_username
                    .as_deref()
                    .is_some_and(|it| it.to_lowercase() == named.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::domains::TenantName;
    use crate::base::identity::DirectoryMember;
    use crate::base::pattern::PathPattern;
    use crate::base::target::PathStrictness;

    fn maya() -> Identity {
        Identity {
            preferred_username: Some("Maya@contoso.example".into()),
            roles: ["Admin"].into_iter().collect(),
            groups: PersonGroups::Known(["g1"].into_iter().collect()),
            ..Identity::new(
                Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee44ee").unwrap(),
                Guid::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap(),
            )
        }
    }

    fn rule(path: &str, methods: &[Method], allow: Allow) -> AccessRule {
        AccessRule {
            path: PathPattern::parse(path).unwrap(),
            methods: methods.to_vec(),
            allow,
            signed_out: SignedOutAnswer::Auto,
            line: 1,
        }
    }

    fn compiled(default: Allow, rules: Vec<AccessRule>) -> Policy {
        let domains = TenantDomains::default();
        domains.record("contoso.example", maya().tid);
        Policy::compile(
            &AccessConfig { default, rules, origins: Vec::new(), has_directory: false },
            Arc::new(domains),
        )
    }

    fn stranger(policy: &Policy, method: Method, path: &str) -> Verdict {
        policy.judge(Target::parse(&method, path, PathStrictness::Strict).unwrap(), None).verdict
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_a_method_none_names_is_nobodys() {
        let rules = vec![
            rule("/public/**", &[], Allow::Anyone),
            rule("/form", &[Method::GET], Allow::Anyone),
            rule("/**", &[Method::GET, Method::POST], Allow::SignedIn),
        ];
        let policy = compiled(Allow::Anyone, rules);
        assert!(matches!(stranger(&policy, Method::GET, "/public/x"), Verdict::Permitted(_)));
        assert!(matches!(stranger(&policy, Method::HEAD, "/form"), Verdict::Permitted(_)));
        assert!(matches!(stranger(&policy, Method::POST, "/form"), Verdict::SignIn(..)));
        assert!(matches!(stranger(&policy, Method::DELETE, "/x"), Verdict::Forbidden));
    }

    #[test]
    fn a_path_in_another_spelling_must_pass_both_readings() {
        let rules = vec![
            rule("/public/admin/**", &[], Allow::Nobody),
            rule("/public/**", &[], Allow::Anyone),
            rule("/open", &[], Allow::Anyone),
        ];
        let policy = compiled(Allow::SignedIn, rules);
        assert!(matches!(stranger(&policy, Method::GET, "/public/%78"), Verdict::Permitted(_)));
        assert!(matches!(stranger(&policy, Method::GET, "/public/%61dmin/x"), Verdict::Forbidden));
        assert!(matches!(stranger(&policy, Method::GET, "/%6fpen"), Verdict::SignIn(..)));
    }

    fn named(text: &str) -> TenantName {
        Guid::parse(text).map_or_else(|| TenantName::Domain(text.to_owned()), TenantName::Id)
    }

    #[test]
    fn every_list_of_a_table_must_hold() {
        let table = |roles: &[&str], groups: &[&str], users: &[&str], tenants: &[&str]| {
            let list = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
            let tenants = tenants.iter().map(|it| named(it)).collect();
            Allow::Tables(vec![AllowConditions {
                roles: list(roles),
                groups: list(groups),
                users: list(users),
                tenants,
                ..AllowConditions::default()
            }])
        };
        let maya = maya();
        let policy = compiled(Allow::SignedIn, Vec::new());
        let allowed = |allow: &Allow| policy.would(allow, Some(&maya)) == ExpectedOutcome::Allow;
        assert!(allowed(&table(&["Reader", "Admin"], &[], &[], &[])));
        assert!(allowed(&table(
            &["Admin"],
            &["G1"],
            &["maya@contoso.example"],
            &["AAAABBBB-0000-cccc-1111-dddd2222eeee"]
        )));
        assert!(allowed(&table(&[], &[], &[], &["fabrikam.example", "contoso.example"])));
        assert!(allowed(&table(&[], &[], &["00AA00AA-bb11-cc22-dd33-44ee44ee44ee"], &[])));
        for no in [
            table(&[], &[], &["00aa00aa-bb11-cc22-dd33-44ee44ee44ef"], &[]),
            table(&["admin"], &[], &[], &[]),
            table(&["Admin"], &["g2"], &[], &[]),
            table(&["Admin"], &[], &["tom@contoso.example"], &[]),
            table(&["Admin"], &[], &[], &["aaaabbbb-0000-cccc-1111-dddd2222eeef"]),
            table(&["Admin"], &[], &[], &["fabrikam.example"]),
            table(&[], &[], &[], &[]),
            Allow::Tables(vec![]),
            Allow::Nobody,
        ] {
            assert!(!allowed(&no), "{no:?}");
        }
    }

    #[test]
    fn organizations_and_directory_roles_are_those_of_the_directory_alone() {
        let table = |organizations: &[&str], roles: &[&str]| {
            let list = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
            Allow::Tables(vec![AllowConditions {
                organizations: list(organizations),
                directory_roles: list(roles),
                ..AllowConditions::default()
            }])
        };
        let policy = compiled(Allow::SignedIn, Vec::new());
        let member = DirectoryMember {
            person: maya().oid,
            role: "worker".into(),
            organization: maya().tid,
            code: "contoso".into(),
        };
        let here = Identity { member: Some(Arc::new(member)), ..maya() };
        let allowed = |allow: &Allow, who: &Identity| {
            policy.would(allow, Some(who)) == ExpectedOutcome::Allow
        };
        for (organizations, roles, may) in [
            (&["fabrikam", "contoso"][..], &[][..], true),
            (&[], &["owner", "worker"], true),
            (&["contoso"], &["worker"], true),
            (&["contoso"], &["owner"], false),
            (&["fabrikam"], &["worker"], false),
            // An app role from Entra is not a directory role.
            (&[], &["Admin"], false),
        ] {
            assert_eq!(
                allowed(&table(organizations, roles), &here),
                may,
                "{organizations:?} {roles:?}"
            );
            assert!(!allowed(&table(organizations, roles), &maya()), "nobody of the directory");
        }
    }

    // A registration's owner can define any app role and can have group names put into its tokens:
    // a rule that named only the tenant also allowed people who signed in through another
    // registration of that tenant.
    #[test]
    fn app_roles_and_names_count_only_together_with_the_organization() {
        let lists = |roles: &[&str], groups: &[&str], organizations: &[&str]| {
            let list = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
            let tenants = vec![TenantName::Id(maya().tid)];
            AllowConditions {
                roles: list(roles),
                groups: list(groups),
                organizations: list(organizations),
                tenants,
                ..AllowConditions::default()
            }
        };
        let group = "0a1b2c3d-0000-4000-8000-000000000001";
        let groups = PersonGroups::Known(["Admins", group].into_iter().collect());
        let member = |code: &str| DirectoryMember {
            person: maya().oid,
            role: "worker".into(),
            organization: maya().tid,
            code: code.into(),
        };
        let member = |code: &str| Identity {
            member: Some(Arc::new(member(code))),
            groups: groups.clone(),
            ..maya()
        };
        let no_member = Identity { groups: groups.clone(), ..maya() };
        let named = AllowConditions {
            users: vec!["maya@contoso.example".to_owned()],
            ..lists(&[], &[], &[])
        };
        let worker = |organizations: &[&str]| AllowConditions {
            directory_roles: vec!["worker".to_owned()],
            ..lists(&[], &[], organizations)
        };
        let own = AllowConditions { users: vec![maya().oid.to_string()], ..lists(&[], &[], &[]) };
        let alone = compiled(Allow::SignedIn, Vec::new());
        let directory = Policy { has_directory: true, ..compiled(Allow::SignedIn, Vec::new()) };
        for (table, contoso, evilco, without_member, without_directory) in [
            (lists(&["Admin"], &[], &[]), false, false, false, true),
            (lists(&["Admin"], &[], &["contoso"]), true, false, false, false),
            (lists(&["Admin"], &[group], &[]), false, false, false, true),
            (lists(&[], &["Admins"], &[]), false, false, false, true),
            (lists(&[], &["Admins"], &["contoso"]), true, false, false, false),
            (lists(&[], &[group], &[]), true, true, true, true),
            (lists(&[], &["Admins", group], &["evilco"]), false, true, false, false),
            (worker(&[]), false, false, false, false),
            (worker(&["contoso"]), true, false, false, false),
            (named, false, false, true, true),
            (own, true, true, true, true),
        ] {
            let allow = Allow::Tables(vec![table]);
            let may = |policy: &Policy, who: &Identity| {
                policy.would(&allow, Some(who)) == ExpectedOutcome::Allow
            };
            let found = (
                may(&directory, &member("contoso")),
                may(&directory, &member("evilco")),
                may(&directory, &no_member),
                may(&alone, &no_member),
            );
            assert_eq!(found, (contoso, evilco, without_member, without_directory), "{allow:?}");
            assert_eq!(may(&alone, &member("contoso")), contoso, "{allow:?}");
        }
    }

    #[test]
    fn groups_that_a_table_cannot_use_are_not_waited_for() {
        let policy = Policy { has_directory: true, ..compiled(Allow::SignedIn, Vec::new()) };
        let maya = Identity { groups: PersonGroups::Overage, ..maya() };
        let table = |groups: &str| {
            Allow::Tables(vec![AllowConditions {
                groups: vec![groups.to_owned()],
                ..AllowConditions::default()
            }])
        };
        assert_eq!(policy.would(&table("Admins"), Some(&maya)), ExpectedOutcome::Refuse);
        assert_eq!(
            policy.would(&table("0a1b2c3d-0000-4000-8000-000000000001"), Some(&maya)),
            ExpectedOutcome::GroupsUnknown
        );
    }

    #[test]
    fn unknown_groups_are_never_taken_for_none() {
        let policy = compiled(Allow::SignedIn, Vec::new());
        let mut maya = maya();
        maya.groups = PersonGroups::Overage;
        let groups = |roles: &[&str]| AllowConditions {
            roles: roles.iter().map(|it| (*it).to_owned()).collect(),
            groups: vec!["g1".into()],
            ..AllowConditions::default()
        };
        assert!(
            policy.fits(&Allow::Tables(vec![groups(&[])]), Some(&maya)) == Some(RuleMatch::Unknown)
        );
        assert!(
            policy.fits(&Allow::Tables(vec![groups(&["Other"])]), Some(&maya))
                == Some(RuleMatch::No)
        );
        let either = vec![
            groups(&[]),
            AllowConditions { roles: vec!["Admin".into()], ..AllowConditions::default() },
        ];
        assert!(policy.fits(&Allow::Tables(either), Some(&maya)) == Some(RuleMatch::Yes));
    }

    fn acrs(values: &[&str], roles: &[&str]) -> AllowConditions {
        let list = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        AllowConditions {
            roles: list(roles),
            acrs: list(values).into(),
            ..AllowConditions::default()
        }
    }

    #[test]
    fn whoever_lacks_nothing_but_an_authentication_context_can_step_up() {
        let mut maya = maya();
        let policy = compiled(Allow::SignedIn, Vec::new());
        let would = |tables: &[AllowConditions], who: &Identity| match policy
            .would(&Allow::Tables(tables.to_vec()), Some(who))
        {
            ExpectedOutcome::StepUp(acrs) => format!("step up to {}", acrs.join(" or ")),
            other => format!("{other:?}"),
        };
        for (tables, expected) in [
            (&[acrs(&["c1"], &[])][..], "step up to c1"),
            (&[acrs(&["c1", "c2"], &["Admin"])], "step up to c1 or c2"),
            (&[acrs(&["c1"], &["Other"])], "Refuse"),
            (
                &[acrs(&["c1"], &["Other"]), acrs(&["c2"], &["Admin"]), acrs(&["c3"], &[])],
                "step up to c2",
            ),
            (&[acrs(&["c1"], &[]), acrs(&[], &["Admin"])], "Allow"),
        ] {
            assert_eq!(would(tables, &maya), expected);
        }
        let groups = AllowConditions { groups: vec!["g2".into()], ..acrs(&["c1"], &[]) };
        assert_eq!(would(std::slice::from_ref(&groups), &maya), "Refuse");
        maya.groups = PersonGroups::Overage;
        assert_eq!(would(std::slice::from_ref(&groups), &maya), "GroupsUnknown");
        for both in [[groups.clone(), acrs(&["c2"], &[])], [acrs(&["c2"], &[]), groups]] {
            assert_eq!(would(&both, &maya), "step up to c2");
        }
        maya.acrs = ["c2"].into_iter().collect();
        assert_eq!(would(&[acrs(&["c1", "c2"], &[])], &maya), "Allow");
        assert_eq!(would(&[acrs(&["c1"], &[])], &maya), "step up to c1");
    }

    #[test]
    fn the_groups_and_roles_that_rules_and_the_default_name_are_listed() {
        let table = |groups: &[&str], roles: &[&str]| {
            let list = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
            Allow::Tables(vec![AllowConditions {
                groups: list(groups),
                roles: list(roles),
                ..AllowConditions::default()
            }])
        };
        let rules =
            vec![rule("/a", &[], table(&["g1"], &["Reader"])), rule("/b", &[], Allow::SignedIn)];
        let policy = compiled(table(&["g2"], &["Admin"]), rules);
        assert_eq!(policy.named().collect::<Vec<_>>(), ["g1", "Reader", "g2", "Admin"]);
        assert_eq!(compiled(Allow::SignedIn, Vec::new()).named().count(), 0);
    }

    #[test]
    fn a_stranger_is_asked_at_once_for_what_everybody_has_to_prove() {
        let asked = |tables: Vec<AllowConditions>| match stranger(
            &compiled(Allow::SignedIn, vec![rule("/x", &[], Allow::Tables(tables))]),
            Method::GET,
            "/x",
        ) {
            Verdict::SignIn(SignedOutAnswer::Auto, acrs) => {
                acrs.map(|it| it.to_vec()).unwrap_or_default()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(asked(vec![acrs(&["c1", "c2"], &["Admin"])]), ["c1", "c2"]);
        assert_eq!(asked(vec![acrs(&["c3"], &["Admin"]), acrs(&["c1"], &[])]), ["c3"]);
        assert!(asked(vec![acrs(&["c3"], &[]), acrs(&[], &["Admin"])]).is_empty());
    }
}
