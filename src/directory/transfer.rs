//! Import and export of people as CSV: `username,name,email,role`, identified with the column
//! names.

use super::change::NewPerson;
use super::database::{SqlValue, Transaction};
use super::error::{Error, plain};
use super::import_report::ImportReport;
use super::organization::Organization;
use super::people::{INSERT, MAX_CHANGED_COLUMNS, PeopleQuery};
use super::people_csv::{CsvColumns, ImportError, csv_head, csv_lines, short, unguarded};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::typed;
use crate::base::username::{Username, domain_of};
use csv::StringRecord;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io;

/// Rows per transaction.
const ROWS_PER_TRANSACTION: usize = 1000;

/// Rows per statement: SQLite searches all placeholders for each one.
const ROWS_PER_STATEMENT: usize = 50;

/// People per page of an export.
pub const EXPORTED_PEOPLE_PER_PAGE: u32 = 1000;

/// Maximum number of attempts for a batch.
const MAX_TRANSACTION_TRIES: u32 = 5;

struct CsvLine {
    number: u64,
    person: NewPerson,
}

impl Directory {
    /// Imports a file into one organization. Each batch is imported completely or not at all, and
    /// existing people are updated, so that an interrupted import can be completed with another
    /// run. `progress` receives the number of processed lines.
    ///
    /// # Errors
    /// The file is not a CSV file of people, or the database cannot be changed.
    pub async fn import(
        &self,
        organization: &Organization,
        file: impl io::Read,
        by: &str,
        mut progress: impl FnMut(u64),
    ) -> Result<ImportReport, ImportError> {
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
        let columns = CsvColumns::of(
            reader
                .headers()
                .map_err(|it| ImportError::File(format!("cannot read the first line: {it}")))?,
        )?;
        let elsewhere = self.domains_of_others(organization.id).await?;
        let mut outcome = ImportReport::default();
        let mut batch = Vec::with_capacity(ROWS_PER_TRANSACTION);
        let mut record = StringRecord::new();
        let mut done = 0;
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let number = record.position().map_or(line, csv::Position::line);
                    match self.read(&columns, &record, &elsewhere) {
                        Ok(person) => batch.push(CsvLine { number, person }),
                        Err(why) => outcome.leave_out(number, why),
                    }
                }
                Err(error) if error.is_io_error() => {
                    return Err(ImportError::File(format!("line {line} cannot be read: {error}")));
                }
                Err(error) => outcome.leave_out(line, format!("cannot be read: {error}")),
            }
            done += 1;
            if batch.len() == ROWS_PER_TRANSACTION {
                self.import_rows(organization, std::mem::take(&mut batch), by, &mut outcome)
                    .await?;
                progress(done);
            }
        }
        self.import_rows(organization, batch, by, &mut outcome).await?;
        progress(done);
        outcome.errors.sort();
        Ok(outcome)
    }

    /// Writes the people of one organization or of all; returns their number.
    ///
    /// # Errors
    /// The file cannot be written, or the database cannot be read.
    pub async fn export(
        &self,
        organization: Option<Guid>,
        mut out: impl io::Write,
    ) -> Result<u64, ImportError> {
        let broken = |it: io::Error| ImportError::File(format!("cannot be written: {it}"));
        out.write_all(&csv_head()).map_err(broken)?;
        let mut count = 0;
        let mut asked =
            PeopleQuery { organization, limit: EXPORTED_PEOPLE_PER_PAGE, ..PeopleQuery::default() };
        loop {
            let people = self.people(&asked).await?;
            out.write_all(&csv_lines(&people)).map_err(broken)?;
            count += u64::try_from(people.len()).unwrap_or_default();
            let Some(last) = people.last() else { break };
            asked.after = Some(last.username.clone());
        }
        out.flush().map_err(broken)?;
        Ok(count)
    }

    fn read(
        &self,
        columns: &CsvColumns,
        record: &StringRecord,
        elsewhere: &HashSet<String>,
    ) -> Result<NewPerson, String> {
        let cell = |at: Option<usize>| {
            at.and_then(|it| record.get(it)).map(unguarded).filter(|it| !it.is_empty())
        };
        let Some(typed) = cell(Some(columns.username)) else {
            return Err("has no username".to_owned());
        };
        let Some(username) = Username::parse(typed) else {
            return Err(format!("{} is not a username", short(typed)));
        };
        let text = |what, it: Option<&str>| {
            plain(what, it).map(|()| it.map(str::to_owned)).map_err(|it| it.to_string())
        };
        let (name, email) = (
            text("name", cell(columns.name))?,
            text("email", cell(columns.email))?.map(|it| typed::stored_address(&it)),
        );
        if email.as_deref().is_some_and(|it| domain_of(it).is_none()) {
            return Err("the email has no \"@\"".to_owned());
        }
        let role = cell(columns.role).map(str::to_owned);
        if let Some(role) = &role {
            self.role(role).map_err(|it| it.to_string())?;
        }
        for domain in username.domain().into_iter().chain(email.as_deref().and_then(domain_of)) {
            if elsewhere.contains(domain) {
                return Err(Error::DomainElsewhere(domain.to_owned()).to_string());
            }
        }
        Ok(NewPerson { username, name, email, role })
    }

    async fn domains_of_others(&self, organization: Guid) -> Result<HashSet<String>, Error> {
        let sql = "SELECT domain FROM organization_domain WHERE organization <> $1";
        self.database
            .rows(sql, vec![organization.to_string().into()])
            .await?
            .iter()
            .map(|it| it.text("domain"))
            .collect()
    }

    /// Imports one batch in a transaction. If another process creates one of its people in the
    /// meantime, the batch is repeated, and finds that person.
    async fn import_rows(
        &self,
        organization: &Organization,
        batch: Vec<CsvLine>,
        by: &str,
        outcome: &mut ImportReport,
    ) -> Result<(), Error> {
        for _ in 1..MAX_TRANSACTION_TRIES {
            match self.try_to_import_rows(organization, &batch, by, outcome).await {
                Err(Error::Conflict) => {}
                other => return other,
            }
        }
        self.try_to_import_rows(organization, &batch, by, outcome).await
    }

    async fn try_to_import_rows(
        &self,
        organization: &Organization,
        batch: &[CsvLine],
        by: &str,
        outcome: &mut ImportReport,
    ) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut changes = self.database.begin_transaction().await?;
        let there = find_existing(&mut changes, batch).await?;
        let own = organization.id.to_string();
        let (mut new, mut other, mut wrong, mut unchanged) =
            (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut seen = HashMap::new();
        for line in batch {
            let username = line.person.username.as_str();
            if let Some(first) = seen.insert(username, line.number) {
                wrong.push((line.number, format!("{username} is already on line {first}")));
                continue;
            }
            match there.get(username) {
                None => new.push(line),
                Some(UsernameOwner::Code) => wrong.push((
                    line.number,
                    Error::UsernameIsCode(line.person.username.clone()).to_string(),
                )),
                Some(UsernameOwner::Person { organization, .. }) if *organization != own => {
                    wrong.push((
                        line.number,
                        format!(
                            "the username {username} belongs to a person of another organization"
                        ),
                    ));
                }
                Some(UsernameOwner::Person { is, .. }) if is.agrees_with(&line.person) => {
                    unchanged += 1;
                }
                Some(UsernameOwner::Person { id, .. }) => other.push((id.clone(), line)),
            }
        }
        // All imports use the same order, so that two of them cannot deadlock.
        new.sort_by(|one: &&CsvLine, other| one.person.username.cmp(&other.person.username));
        other.sort_by(|one, other| one.0.cmp(&other.0));
        let made = self.insert_all(&mut changes, organization, &new).await?;
        if made != u64::try_from(new.len()).unwrap_or(u64::MAX) {
            // Another process has created one of them since the query: nothing of this batch is
            // done.
            return Err(Error::Conflict);
        }
        for (id, line) in &other {
            update(&mut changes, id, &line.person).await?;
        }
        let changed = u64::try_from(other.len()).unwrap_or_default();
        if made + changed > 0 {
            self.audit(
                &mut changes,
                by,
                Some(organization.id),
                None,
                &format!("import: {made} people created, {changed} changed"),
            )
            .await?;
        }
        changes.commit().await?;
        outcome.made += made;
        for line in &new {
            let it = &line.person;
            let role = it.role.as_deref().unwrap_or(&organization.default_role);
            if self.may_set_up(role) {
                outcome.waiting.0 += 1;
            } else if !it.username.is_address() && it.email.is_none() {
                outcome.waiting.1 += 1;
            }
        }
        outcome.changed += changed;
        outcome.unchanged += unchanged;
        for (line, why) in wrong {
            outcome.leave_out(line, why);
        }
        Ok(())
    }

    async fn insert_all(
        &self,
        changes: &mut Transaction,
        organization: &Organization,
        new: &[&CsvLine],
    ) -> Result<u64, Error> {
        let mut made = 0;
        for rows in new.chunks(ROWS_PER_STATEMENT) {
            made += self.insert_rows(changes, organization, rows).await?;
        }
        Ok(made)
    }

    async fn insert_rows(
        &self,
        changes: &mut Transaction,
        organization: &Organization,
        new: &[&CsvLine],
    ) -> Result<u64, Error> {
        let mut sql = INSERT.to_owned();
        let mut values = Vec::with_capacity(new.len() * MAX_CHANGED_COLUMNS);
        for (at, line) in new.iter().enumerate() {
            sql.push_str(if at == 0 { " (" } else { ", (" });
            for it in 1..=MAX_CHANGED_COLUMNS {
                // Writing to a String cannot fail.
                let _ = write!(sql, "${}, ", at * MAX_CHANGED_COLUMNS + it);
            }
            sql.push_str("'on')");
            values.extend(self.row_of(self.new_id(), organization, &line.person));
        }
        sql.push_str(" ON CONFLICT DO NOTHING");
        changes.run(sqlx::AssertSqlSafe(sql), values).await
    }
}

/// The current owner of a username.
enum UsernameOwner {
    Code,
    Person { id: String, organization: String, is: CurrentValues },
}

struct CurrentValues {
    name: Option<String>,
    email: Option<String>,
    role: String,
}

impl CurrentValues {
    /// An empty or missing cell changes nothing.
    fn agrees_with(&self, new: &NewPerson) -> bool {
        let same = |new: &Option<String>, old: &Option<String>| new.is_none() || new == old;
        same(&new.name, &self.name)
            && same(&new.email, &self.email)
            && new.role.as_ref().is_none_or(|it| *it == self.role)
    }
}

async fn find_existing(
    changes: &mut Transaction,
    batch: &[CsvLine],
) -> Result<HashMap<String, UsernameOwner>, Error> {
    let places = (1..=batch.len()).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
    let names =
        || batch.iter().map(|it| SqlValue::from(it.person.username.as_str())).collect::<Vec<_>>();
    let sql = format!(
        "SELECT id, organization, username, name, email, role FROM person WHERE username IN ({places})"
    );
    let mut out = HashMap::new();
    for row in changes.rows(sqlx::AssertSqlSafe(sql), names()).await? {
        let is = CurrentValues {
            name: row.maybe_text("name")?,
            email: row.maybe_text("email")?,
            role: row.text("role")?,
        };
        out.insert(
            row.text("username")?,
            UsernameOwner::Person {
                id: row.text("id")?,
                organization: row.text("organization")?,
                is,
            },
        );
    }
    let sql = format!("SELECT code FROM organization_code WHERE code IN ({places})");
    for row in changes.rows(sqlx::AssertSqlSafe(sql), names()).await? {
        out.insert(row.text("code")?, UsernameOwner::Code);
    }
    Ok(out)
}

async fn update(changes: &mut Transaction, id: &str, person: &NewPerson) -> Result<(), Error> {
    let values: Vec<SqlValue> = vec![
        id.into(),
        person.name.clone().into(),
        person.email.clone().into(),
        person.role.clone().into(),
    ];
    let sql = "UPDATE person SET name = COALESCE($2, name), email = COALESCE($3, email), role = COALESCE($4, role), \
               role_source = CASE WHEN $4 IS NULL OR $4 = role THEN role_source ELSE 'hand' END WHERE id = $1";
    changes.run(sql, values).await.map(drop)
}
