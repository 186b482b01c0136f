//! What notices say, in each language: an entry of the catalog for each cause, so that one which is missing is found when the catalog is read.

use serde::Deserialize;

/// The words of notices in one language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrases {
    /// Whose move it is.
    pub(super) who: Who,
    /// What leads on from a notice.
    pub(crate) way: Way,
    /// What is said at the end of many.
    pub(crate) advice: Advice,
    /// The titles of sign-ins that Entra did not let through.
    pub(crate) title: Titles,
    /// A sign-in that failed.
    pub(crate) sign_in: SignIns,
    /// Whoever is signed in at Entra and may not come in.
    pub(crate) entry: Entry,
    /// What is asked for, and not given.
    pub(crate) refused: Refused,
    /// What is not there at the moment.
    pub(crate) down: Down,
    /// Signing in that goes round in circles.
    pub(crate) circle: Circle,
}

/// What happened, and what the person does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    pub(crate) title: String,
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) next: Vec<String>,
}

/// The same under a title of others.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) what: String,
    pub(crate) next: String,
}

/// What somebody else than the person does about it, and where.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mend {
    pub(crate) what: String,
    pub(crate) place: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    pub(super) you: String,
    pub(super) admin: String,
    pub(super) app_owner: String,
    pub(super) entra: String,
    pub(super) identity_provider: String,
    pub(super) sign_in_service: String,
    pub(super) nobody: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Way {
    pub(crate) start_page: String,
    pub(crate) sign_in: String,
    pub(crate) sign_in_again: String,
    pub(crate) confirm: String,
    pub(crate) try_again: String,
    pub(crate) other_account: String,
    pub(crate) public_address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advice {
    pub(crate) ask_admin: String,
    pub(crate) tell_owner: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Titles {
    pub(crate) not_now: String,
    pub(crate) not_you: String,
    pub(crate) not_this_account: String,
    pub(crate) stopped: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIns {
    pub(crate) canceled: Said,
    pub(crate) passing: Said,
    pub(crate) anew: Said,
    pub(crate) denied: Said,
    pub(crate) not_accepted: Said,
    pub(crate) bad_answer: Said,
    pub(crate) personal: Said,
    pub(crate) guest: Said,
    pub(crate) guest_mend: Mend,
    pub(crate) stranger: Said,
    pub(crate) stranger_mend: Mend,
    pub(crate) no_proof: Said,
    pub(crate) unreachable: Said,
    pub(crate) nothing_under_way: Told,
    pub(crate) app_waits: Told,
    pub(crate) unreadable: Told,
    pub(crate) unknown: Told,
    pub(crate) too_many: Told,
    pub(crate) too_many_codes: Told,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) other_tenant: Told,
    pub(crate) guest: Told,
    pub(crate) person_off: Told,
    pub(crate) not_known: Told,
    pub(crate) organization_off: Told,
    pub(crate) app_unknown: Told,
    pub(crate) app_unknown_mend: Mend,
    pub(crate) app_elsewhere: Told,
    pub(crate) app_elsewhere_mend: Mend,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) unclear_target: Told,
    pub(crate) unclear_host: Told,
    pub(crate) unclear_end: Told,
    pub(crate) misdirected: Told,
    pub(crate) misdirected_mend: Mend,
    pub(crate) not_found: Told,
    pub(crate) method: Told,
    pub(crate) signed_out: Told,
    pub(crate) session_ended: Told,
    pub(crate) step_up: Told,
    pub(crate) not_proven: Told,
    pub(crate) not_proven_mend: Mend,
    pub(crate) forbidden: Told,
    pub(crate) no_longer_allowed: Told,
    pub(crate) bad_token: Told,
    pub(crate) foreign_origin: Told,
    pub(crate) cross_site: Told,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Down {
    pub(crate) groups_not_agreed: Told,
    pub(crate) groups_not_told: Told,
    pub(crate) groups_too_many: Told,
    pub(crate) groups_too_many_mend: Mend,
    pub(crate) not_checked: Told,
    pub(crate) not_set_up: Told,
    pub(crate) directory: Told,
    pub(crate) app_slow: Told,
    pub(crate) app_unreachable: Told,
    pub(crate) upload_stopped: Told,
    pub(crate) no_upgrade: Told,
    pub(crate) internal: Told,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Circle {
    pub(crate) title: String,
    pub(crate) cookie: Said,
    pub(crate) host: Said,
    pub(crate) scheme: Said,
    pub(crate) clock_ahead: Said,
    pub(crate) clock_behind: Said,
    pub(crate) app: Said,
    pub(crate) callback: Said,
    pub(crate) none: Said,
    pub(crate) none_or_clock: Said,
    pub(crate) mend: Circles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Circles {
    pub(crate) cookie: Mend,
    pub(crate) host: Mend,
    pub(crate) http_untrusted: Mend,
    pub(crate) http_said: Mend,
    pub(crate) http_not_said: Mend,
    pub(crate) http_at_first: Mend,
    pub(crate) clock: Mend,
    pub(crate) app: Mend,
    pub(crate) callback: Mend,
    pub(crate) session_lost: Mend,
    pub(crate) session_unknown: Mend,
}
