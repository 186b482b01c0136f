//! A row of the table: one code, its stage, its errors and its text.

/// The stage at which a refusal appears during a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum RefusalStage {
    /// On Entra's own page: the person never returns to the app.
    Page,
    /// In the parameters of the callback.
    Callback,
    /// In the response of the token endpoint.
    Token,
}

/// The refusal for one code.
#[derive(Debug)]
pub(in crate::emulator) struct RefusalRow {
    /// The number after `AADSTS`.
    pub(in crate::emulator) code: u32,
    /// The stage at which the person for this code receives it.
    pub(in crate::emulator) stage: RefusalStage,
    /// The OAuth error at the callback.
    pub(in crate::emulator) error: &'static str,
    /// The OAuth error at the token endpoint.
    pub(in crate::emulator) at_token: &'static str,
    /// Entra's more detailed reason, at the token endpoint.
    pub(in crate::emulator) suberror: Option<&'static str>,
    /// The sentence after the code.
    pub(in crate::emulator) text: &'static str,
}

pub(super) const fn row(
    code: u32,
    place: RefusalStage,
    errors: [&'static str; 2],
    suberror: Option<&'static str>,
    text: &'static str,
) -> RefusalRow {
    let [error, at_token] = errors;
    RefusalRow { code, stage: place, error, at_token, suberror, text }
}
