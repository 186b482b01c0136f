//! The texts of notices, in each language: one catalog entry for each cause, so that a missing
//! entry is found when the catalog is read.

use serde::Deserialize;

/// The texts of notices in one language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticePhrases {
    /// Names of the parties that can act on a notice.
    pub(super) who: PartyNames,
    /// Labels of the actions that a notice offers.
    pub(crate) action: ActionLabels,
    /// Advice that ends many notices.
    pub(crate) advice: AdviceText,
    /// Words for customers in place of the operator's.
    pub(crate) customer: CustomerPhrases,
    /// Titles of sign-ins that Entra rejected.
    pub(crate) title: NoticeTitles,
    /// Texts for a failed sign-in.
    pub(crate) sign_in: SignInPhrases,
    /// Texts for people who are signed in at Entra but may not enter the app.
    pub(crate) entry: EntryPhrases,
    /// Texts for refused requests.
    pub(crate) refused: RefusalPhrases,
    /// Texts for services that are unavailable at the moment.
    pub(crate) down: OutagePhrases,
    /// Texts for a sign-in that keeps looping.
    pub(crate) sign_in_loop: LoopPhrases,
}

/// States the problem and the next step for the person.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeText {
    pub(crate) title: String,
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) next: Vec<String>,
}

/// The same as [`NoticeText`], under a title from [`NoticeTitles`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TitledText {
    pub(crate) what: String,
    pub(crate) next: String,
}

/// The fix that someone other than the person makes, and its place.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemedyText {
    pub(crate) what: String,
    pub(crate) place: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartyNames {
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
pub(crate) struct ActionLabels {
    pub(crate) start_page: String,
    pub(crate) sign_in: String,
    pub(crate) sign_in_again: String,
    pub(crate) confirm: String,
    pub(crate) try_again: String,
    pub(crate) other_account: String,
    pub(crate) sign_out: String,
    pub(crate) public_address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdviceText {
    pub(crate) ask_admin: String,
    pub(crate) tell_owner: String,
    pub(crate) signed_in_as: String,
    pub(crate) new_sign_in: String,
}

/// Words for customers in place of the operator's keys and commands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerPhrases {
    pub(crate) ask_operator: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The words of the catalog for the place of the secret, and what stands in their place.
    pub(crate) where_secret_is_read: String,
    pub(crate) in_set_up: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeTitles {
    pub(crate) not_now: String,
    pub(crate) not_you: String,
    pub(crate) not_this_account: String,
    pub(crate) stopped: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInPhrases {
    pub(crate) canceled: TitledText,
    pub(crate) passing: TitledText,
    pub(crate) again: TitledText,
    pub(crate) denied: TitledText,
    pub(crate) not_accepted: TitledText,
    pub(crate) bad_answer: TitledText,
    pub(crate) personal: TitledText,
    pub(crate) guest: TitledText,
    pub(crate) guest_remedy: RemedyText,
    pub(crate) stranger: TitledText,
    pub(crate) stranger_remedy: RemedyText,
    pub(crate) no_proof: TitledText,
    pub(crate) unreachable: TitledText,
    pub(crate) not_reached: TitledText,
    pub(crate) unknown_key: TitledText,
    pub(crate) unknown_key_remedy: RemedyText,
    pub(crate) nothing_under_way: NoticeText,
    pub(crate) app_waits: NoticeText,
    pub(crate) consent_given: NoticeText,
    pub(crate) consent_refused: NoticeText,
    pub(crate) unreadable: NoticeText,
    pub(crate) unknown: NoticeText,
    pub(crate) too_many: NoticeText,
    pub(crate) too_many_codes: NoticeText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryPhrases {
    pub(crate) other_tenant: NoticeText,
    pub(crate) guest: NoticeText,
    pub(crate) person_off: NoticeText,
    pub(crate) not_known: NoticeText,
    pub(crate) waits: NoticeText,
    pub(crate) denied: NoticeText,
    pub(crate) organization_off: NoticeText,
    pub(crate) app_unknown: NoticeText,
    pub(crate) app_unknown_remedy: RemedyText,
    pub(crate) app_elsewhere: NoticeText,
    pub(crate) app_elsewhere_remedy: RemedyText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusalPhrases {
    pub(crate) unclear_target: NoticeText,
    pub(crate) long_target: NoticeText,
    pub(crate) unclear_host: NoticeText,
    pub(crate) unclear_end: NoticeText,
    pub(crate) misdirected: NoticeText,
    pub(crate) misdirected_remedy: RemedyText,
    pub(crate) not_found: NoticeText,
    pub(crate) method: NoticeText,
    pub(crate) signed_out: NoticeText,
    pub(crate) session_ended: NoticeText,
    pub(crate) step_up: NoticeText,
    pub(crate) not_proven: NoticeText,
    pub(crate) not_proven_remedy: RemedyText,
    pub(crate) forbidden: NoticeText,
    pub(crate) no_longer_allowed: NoticeText,
    pub(crate) bad_token: NoticeText,
    pub(crate) foreign_origin: NoticeText,
    pub(crate) cross_site: NoticeText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutagePhrases {
    pub(crate) groups_without_consent: NoticeText,
    pub(crate) groups_unavailable: NoticeText,
    pub(crate) groups_need_proof: NoticeText,
    pub(crate) groups_need_proof_remedy: RemedyText,
    pub(crate) groups_refused: NoticeText,
    pub(crate) groups_too_many: NoticeText,
    pub(crate) groups_too_many_remedy: RemedyText,
    pub(crate) not_checked: NoticeText,
    pub(crate) not_checkable: NoticeText,
    pub(crate) no_session_store: NoticeText,
    pub(crate) not_set_up: NoticeText,
    pub(crate) directory: NoticeText,
    pub(crate) app_slow: NoticeText,
    pub(crate) app_busy: NoticeText,
    pub(crate) app_unreachable: NoticeText,
    pub(crate) upload_stopped: NoticeText,
    pub(crate) no_upgrade: NoticeText,
    pub(crate) internal: NoticeText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopPhrases {
    pub(crate) title: String,
    pub(crate) cookie: TitledText,
    pub(crate) host: TitledText,
    pub(crate) scheme: TitledText,
    pub(crate) clock_ahead: TitledText,
    pub(crate) clock_behind: TitledText,
    pub(crate) app: TitledText,
    pub(crate) callback: TitledText,
    pub(crate) none: TitledText,
    pub(crate) none_or_clock: TitledText,
    pub(crate) remedy: LoopRemedies,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopRemedies {
    pub(crate) cookie: RemedyText,
    pub(crate) host: RemedyText,
    pub(crate) http_untrusted: RemedyText,
    pub(crate) http_said: RemedyText,
    pub(crate) http_not_said: RemedyText,
    pub(crate) http_at_first: RemedyText,
    pub(crate) clock: RemedyText,
    pub(crate) app: RemedyText,
    pub(crate) callback: RemedyText,
    pub(crate) session_lost: RemedyText,
    pub(crate) session_unknown: RemedyText,
}
