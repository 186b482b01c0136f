//! Attacks on sign-in at companies and on the directory behind it.
//!
//! | class | kept by |
//! |---|---|
//! | takeover by a typed name | `organizations::attacks::attack_whoever_types_a_colleagues_name_and_signs_in_is_still_oneself` |
//! | takeover by a name or an address changed at Entra | `a_name_or_an_address_changed_at_entra_takes_nobody_over`; on both databases `linking` in `src/directory/tests` |
//! | a guest with the same name, and a guest where none may come | `a_guest_with_somebodys_name_is_a_guest`, `a_guest_stays_outside_where_none_may_come` |
//! | a second tenant that verified nothing, or only says so | `a_second_tenant_takes_nobody_over_whatever_it_says` |
//! | a code redeemed at another company | `organizations::attacks::attack_a_code_of_one_company_is_never_redeemed_for_another` |
//! | which companies and people there are, by time | `no_clock_tells_what_the_answer_does_not` |
//! | guessing codes | `guesses_are_counted_for_a_whole_network_in_every_form`, `organizations::guessing::whoever_guesses_waits_by_address_and_nobody_else_does` |
//! | SQL in a text field | `no_text_of_a_browser_is_taken_for_sql`; by commands and in files `cli::directory::people::no_text_is_taken_for_sql` |
//! | formulas in an export | `cli::directory::imports::a_file_is_taken_in_and_what_is_wrong_is_told_by_line`, `importing` in `src/directory/tests` |
//! | letters that look alike or turn around | `letters_that_look_alike_are_nobodys_name` |
//! | a client secret read back | `a_client_secret_stands_in_no_file_page_or_answer`; of commands, each story of `cli`; of logs, the end of each world |

mod client_secrets;
mod guessing;
mod input;
mod takeover;

use crate::organizations::OrganizationsWorld;
use crate::world::{CLIENT_ID, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::NewOrganization;

impl OrganizationsWorld {
    fn oid(&self, name: &str) -> String {
        self.world.emulator.people().iter().find(|it| it.user_name == name).unwrap().oid.clone()
    }

    /// Whether nobody has signed in as that person yet.
    async fn is_unlinked(&self, name: &str) -> bool {
        self.directory()
            .person(&Username::parse(name).unwrap())
            .await
            .unwrap()
            .unwrap()
            .linked
            .is_none()
    }

    /// An organization that stands in the database.
    async fn founds(&self, code: &str, new: NewOrganization) -> CompanyCode {
        let code = CompanyCode::parse(code).unwrap();
        let new = NewOrganization {
            code: Some(code.clone()),
            name: code.to_string(),
            client_id: Guid::parse(CLIENT_ID),
            on: true,
            ..new
        };
        self.directory().add_organization(new, "story").await.unwrap();
        code
    }
}

fn behind_a_front(plan: WorldPlan) -> WorldPlan {
    WorldPlan { server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(), ..plan }
}
