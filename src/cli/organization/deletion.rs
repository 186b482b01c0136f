//! `entrada organization delete`.

use super::super::directory::{self, CommonArgs, actor, failure, open, print_result};
use super::super::terminal::CommandError;
use crate::base::company_code::CompanyCode;
use crate::directory::Error;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeleteOrganizationArgs {
    /// Its company code.
    #[arg(value_parser = directory::code)]
    code: CompanyCode,
    /// The number of people that are deleted with it, as `entrada organization show` prints it.
    #[arg(long)]
    people: u64,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn delete(arguments: &DeleteOrganizationArgs) -> Result<(), CommandError> {
    open(&arguments.common, async |directory| {
        let found = directory.organization(&arguments.code).await.map_err(failure)?;
        let found = found.ok_or_else(|| failure(Error::NoOrganization(arguments.code.clone())))?;
        let people = arguments.people;
        let deleted = directory.delete_organization(&found.code, people, &actor()).await;
        deleted.map_err(|error| match error {
            Error::OtherCount(_, there) => {
                let hint =
                    format!("to delete it with all of them, repeat it with --people {there}");
                CommandError::new(error).hint(hint)
            }
            other => failure(other),
        })?;
        let value = json!({ "deleted": found.code.as_str(), "people": people });
        print_result(&arguments.common, &value, || {
            format!("deleted {} with {people} people", found.code)
        });
        Ok(())
    })
}
