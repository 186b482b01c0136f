//! What an import did, and what an operator should know about the people who were created.

use super::organization::Organization;

/// Maximum number of errors in the report; further errors are only counted.
const MAX_REPORTED_ERRORS: usize = 1000;

/// Result of an import.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Number of people who were created.
    pub made: u64,
    /// Number of people whose name, e-mail or role was changed.
    pub changed: u64,
    /// Number of people who were already up to date.
    pub unchanged: u64,
    /// Rejected lines, numbered from 1, and the reasons.
    pub errors: Vec<(u64, String)>,
    /// Number of rejected lines, reported or not.
    pub left_out: u64,
    /// Number of created people whose first sign-in waits for an approval because of their role,
    /// and of those whose username and e-mail are no addresses.
    pub waiting: (u64, u64),
}

impl ImportReport {
    /// Returns what an operator should know about the first sign-in of the people who were created.
    pub fn warnings(&self, organization: &Organization) -> Vec<String> {
        let mut all = Vec::new();
        if self.waiting.0 > 0 {
            all.push(format!(
                "{} people have a role that may open the set-up page: their first sign-in waits for an approval (entrada person requests)",
                self.waiting.0
            ));
        }
        if self.waiting.1 > 0 {
            all.push(format!(
                "{} people have neither a username nor an e-mail that is an address: their first sign-in waits for an approval if they type the username, \
                 and otherwise creates another person",
                self.waiting.1
            ));
        }
        if self.made > 0 && organization.linking_paused.is_some() {
            all.push("linking is paused, so each first sign-in waits for an approval".to_owned());
        } else if self.made > 0 && organization.upn_seen.is_none() {
            all.push(
                "no sign-in of the company has shown the optional claims upn and acct of the ID token yet; without them, each first sign-in waits for an approval"
                    .to_owned(),
            );
        }
        all
    }

    pub(super) fn leave_out(&mut self, line: u64, why: String) {
        self.left_out += 1;
        if self.errors.len() < MAX_REPORTED_ERRORS {
            self.errors.push((line, why));
        }
    }
}
