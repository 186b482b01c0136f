//! What a browser presents of its session.

/// The cookies of one session.
#[derive(Clone, Copy)]
pub struct PresentedSession<'a> {
    /// The session cookie.
    pub id: &'a str,
    /// The sealed record, if there is one: for the store that keeps sessions in the browser.
    pub record: Option<&'a str>,
}

impl std::fmt::Debug for PresentedSession<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("PresentedSession")
    }
}
