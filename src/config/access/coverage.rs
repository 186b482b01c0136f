//! Checks the rules against each other and against the default: rules that an earlier one covers,
//! and forms of a path that a rule leaves to the default.

use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue};
use super::rule::{AccessRule, Allow};
use crate::base::pattern::PathPattern;
use http::Method;

/// Reports a rule that never decides because an earlier one covers it. Its author expects it to
/// work.
pub(super) fn refuse_covered(section: &ConfigSection<'_>, rules: &[LocatedValue<AccessRule>]) {
    for (at, rule) in rules.iter().enumerate() {
        let earlier = || {
            rules.iter().take(at).map(|it| &it.value).filter(|it| it.path.covers(&rule.value.path))
        };
        let by = match rule.value.methods.as_slice() {
            [] => earlier().find(|it| it.methods.is_empty()),
            methods => {
                let covered = |method: &Method| earlier().find(|it| it.covers_method(method));
                methods
                    .iter()
                    .map(covered)
                    .collect::<Option<Vec<_>>>()
                    .and_then(|it| it.first().copied())
            }
        };
        if let Some(by) = by {
            let invalid = InvalidValue::new(format!(
                "can never match: {} at line {} matches first",
                quote(&by.path.to_string()),
                by.line
            ));
            section.add_problem(
                &rule.place,
                invalid.hint("the first rule that matches decides; put the narrower one first"),
            );
        }
    }
}

/// Warns about a rule that restricts one form of a path and leaves the others to the default, which
/// allows more.
pub(super) fn warn_of_spellings(
    section: &ConfigSection<'_>,
    rules: &[LocatedValue<AccessRule>],
    default: &Allow,
) {
    for it in rules {
        let rule = &it.value;
        let is_narrower =
            rule.allow != Allow::Anyone && rule.allow != *default && *default != Allow::Nobody;
        let invalid = match rule.allow {
            Allow::Anyone => suffixes_are_open(rule),
            _ if is_narrower => is_exact(rule, rules).or_else(|| has_no_suffixes(rule, rules)),
            _ => None,
        };
        if let Some(invalid) = invalid {
            section.warn(&it.place, invalid);
        }
    }
}

/// Many apps serve `/admin/` as `/admin`.
fn is_exact(rule: &AccessRule, rules: &[LocatedValue<AccessRule>]) -> Option<InvalidValue> {
    let path = rule.path.to_string();
    let place = path.trim_end_matches('/');
    let below = PathPattern::parse(&format!("{place}/**")).ok()?;
    if place.is_empty()
        || path.ends_with("/**")
        || rules.iter().any(|it| it.value.path.covers(&below))
    {
        return None;
    }
    let invalid = InvalidValue::new(format!(
        "{} covers only this path; [access] default decides about {} and all below it",
        quote(&path),
        quote(&format!("{place}/"))
    ));
    Some(invalid.hint(format!("write {}", quote(&below.to_string()))))
}

/// Some apps serve `/admin.json`, `/admin.` and `/admin%20` as `/admin`.
fn has_no_suffixes(rule: &AccessRule, rules: &[LocatedValue<AccessRule>]) -> Option<InvalidValue> {
    let place = named_place(rule)?;
    let is_covered = |suffix: &str| {
        PathPattern::parse(&format!("{place}{suffix}"))
            .is_ok_and(|it| rules.iter().any(|rule| rule.value.path.covers(&it)))
    };
    if [".json", ".", "%20"].into_iter().all(is_covered) {
        return None;
    }
    let (json, dot, place) =
        (quote(&format!("{place}.json")), quote(&format!("{place}.")), quote(&place));
    let invalid = InvalidValue::new(format!(
        "does not cover {json}, {dot} and the like, which some apps serve as {place}"
    ));
    Some(invalid.hint("add suffixes = true to the rule, unless the app returns 404 for them"))
}

fn suffixes_are_open(rule: &AccessRule) -> Option<InvalidValue> {
    let place = named_place(rule).filter(|_| rule.path.has_suffixes())?;
    let invalid = InvalidValue::new(format!(
        "also allows anyone at {} and the like, because suffixes = true",
        quote(&format!("{place}.json"))
    ));
    Some(invalid.hint("remove suffixes if allow is \"anyone\""))
}

/// The path of a rule without `/**`, if it ends with a name.
fn named_place(rule: &AccessRule) -> Option<String> {
    let path = rule.path.to_string();
    rule.path.ends_with_name().then(|| path.strip_suffix("/**").unwrap_or(&path).to_owned())
}
