//! Accounts that come to sign in, and what their sign-in leads to.

use super::*;
use crate::directory::first_sign_in::PersonMatch;
use crate::directory::link_request::WaitReason;

pub(super) fn guest(it: Identity) -> Identity {
    Identity { guest: true, member_upn: None, ..it }
}

pub(super) fn with_email(it: Identity, email: &str, verified: bool) -> Identity {
    Identity { email: Some(email.into()), email_verified: verified, ..it }
}

pub(super) fn with_roles(it: Identity, roles: &[&str]) -> Identity {
    Identity { roles: roles.iter().collect(), ..it }
}

pub(super) fn without_upn(it: Identity) -> Identity {
    Identity { member_upn: None, ..it }
}

/// What a first sign-in leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Signed in as this person, who was added beforehand.
    Linked(Guid),
    /// Signed in as somebody new.
    New,
    Waits(WaitReason),
    QueueFull,
    NotKnown,
    Off,
    Denied,
}

pub(super) async fn comes(
    directory: &Directory,
    who: &Identity,
    organization: &Organization,
    typed: Option<&str>,
) -> Outcome {
    match directory.admit_account(who, organization, typed).await {
        Ok(it) if it.person_match == PersonMatch::Made => Outcome::New,
        Ok(it) => Outcome::Linked(it.person.id),
        Err(MembershipRefusal::Waits(why)) => Outcome::Waits(why),
        Err(MembershipRefusal::QueueFull(_)) => Outcome::QueueFull,
        Err(MembershipRefusal::Unknown) => Outcome::NotKnown,
        Err(MembershipRefusal::PersonOff) => Outcome::Off,
        Err(MembershipRefusal::Denied) => Outcome::Denied,
        Err(other) => panic!("{other:?}"),
    }
}
