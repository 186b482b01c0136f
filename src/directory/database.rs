//! Hides the differences between SQLite and PostgreSQL behind one SQL text.
//!
//! Values are only text and integers, and placeholders are `$1`. An enum with two concrete pools
//! replaces sqlx's `Any`, which supports neither SQLite's options nor types of null values.

use super::error::Error;
use crate::base::guid::Guid;
use crate::config::directory::DatabaseConfig as Address;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Encode, PgPool, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite, SqlitePool, Type};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Maximum time that a statement waits for a lock, and a caller for a connection.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

const MIGRATIONS: [(i64, &str, &str); 11] = [
    (1, "directory", include_str!("migrations/0001_directory.sql")),
    (3, "setup", include_str!("migrations/0003_setup.sql")),
    (4, "keep", include_str!("migrations/0004_keep.sql")),
    (5, "watch", include_str!("migrations/0005_watch.sql")),
    (6, "native", include_str!("migrations/0006_native.sql")),
    (8, "linking", include_str!("migrations/0008_linking.sql")),
    (9, "erasure", include_str!("migrations/0009_erasure.sql")),
    (10, "first admin", include_str!("migrations/0010_first_admin.sql")),
    (11, "erased names", include_str!("migrations/0011_erased_names.sql")),
    (12, "domains", include_str!("migrations/0012_domains.sql")),
    (13, "stored forms", include_str!("migrations/0013_stored_forms.sql")),
];

/// An open database; clones share its connections.
#[derive(Clone, Debug)]
pub(super) enum Database {
    Sqlite {
        read: SqlitePool,
        /// A single connection: writers in this process queue fairly, and other processes wait for
        /// SQLite's lock.
        write: SqlitePool,
    },
    Postgres(PgPool),
}

/// Value for a placeholder `$1`, `$2` ...
#[derive(Clone, Debug)]
pub(super) enum SqlValue {
    Text(Option<String>),
    Number(Option<i64>),
}

/// A result row.
#[derive(Debug)]
pub(super) enum DatabaseRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A transaction. Dropped without `commit`, it is rolled back.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Database {
    /// Opens the database and migrates its tables.
    pub(super) async fn open(address: &Address) -> Result<Self, Error> {
        match address {
            Address::Sqlite(path) => Self::open_file(path).await,
            Address::Postgres(address) => {
                let options: sqlx::postgres::PgConnectOptions = address.expose().parse()?;
                let pool = PgPoolOptions::new()
                    .max_connections(8)
                    .acquire_timeout(LOCK_TIMEOUT)
                    .connect_with(options.application_name("entrada"))
                    .await?;
                migrator(true).run(&pool).await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    async fn open_file(path: &Path) -> Result<Self, Error> {
        let lock = lock(path.to_owned()).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(LOCK_TIMEOUT)
            .foreign_keys(true)
            // In KiB: an import touches all indexes in random places.
            .pragma("cache_size", "-65536");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(LOCK_TIMEOUT)
            .connect_with(options.clone())
            .await?;
        // sqlx takes no lock while it migrates SQLite, so this code does.
        migrator(false).run(&write).await?;
        drop(lock);
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(LOCK_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self::Sqlite { read, write })
    }

    /// Returns all rows of a query.
    pub(super) async fn rows(
        &self,
        sql: impl SqlSafeStr,
        values: Vec<SqlValue>,
    ) -> Result<Vec<DatabaseRow>, Error> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite { read, .. } => bound::<Sqlite>(sql, values)
                .fetch_all(read)
                .await?
                .into_iter()
                .map(DatabaseRow::Sqlite)
                .collect(),
            Self::Postgres(pool) => bound::<Postgres>(sql, values)
                .fetch_all(pool)
                .await?
                .into_iter()
                .map(DatabaseRow::Postgres)
                .collect(),
        })
    }

    /// Returns the first row of a query.
    pub(super) async fn row(
        &self,
        sql: impl SqlSafeStr,
        values: Vec<SqlValue>,
    ) -> Result<Option<DatabaseRow>, Error> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Begins a transaction. On SQLite it takes the write lock immediately: upgrading from a read
    /// lock would fail instead of waiting.
    pub(super) async fn begin_transaction(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Sqlite { write, .. } => {
                Transaction::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)
            }
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that only reads: all its queries see the same state, and it neither
    /// waits for writers nor keeps them waiting.
    pub(super) async fn begin_read(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Sqlite { read, .. } => Transaction::Sqlite(read.begin().await?),
            Self::Postgres(pool) => Transaction::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
        })
    }

    /// Closes all connections; SQLite merges its log into the file.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    /// Keeps other transactions from changing an organization's data until this one ends; SQLite
    /// has only one writer anyway.
    pub(super) async fn lock(&mut self, organization: Guid) -> Result<(), Error> {
        self.run(
            "UPDATE organization SET changed = changed WHERE id = $1",
            vec![organization.to_string().into()],
        )
        .await
        .map(drop)
    }

    pub(super) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<SqlValue>,
    ) -> Result<Vec<DatabaseRow>, Error> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(it) => bound::<Sqlite>(sql, values)
                .fetch_all(&mut **it)
                .await?
                .into_iter()
                .map(DatabaseRow::Sqlite)
                .collect(),
            Self::Postgres(it) => bound::<Postgres>(sql, values)
                .fetch_all(&mut **it)
                .await?
                .into_iter()
                .map(DatabaseRow::Postgres)
                .collect(),
        })
    }

    pub(super) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<SqlValue>,
    ) -> Result<Option<DatabaseRow>, Error> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a change; returns the number of rows.
    pub(super) async fn run(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<SqlValue>,
    ) -> Result<u64, Error> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(it) => {
                bound::<Sqlite>(sql, values).execute(&mut **it).await?.rows_affected()
            }
            Self::Postgres(it) => {
                bound::<Postgres>(sql, values).execute(&mut **it).await?.rows_affected()
            }
        })
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(it) => it.commit().await?,
            Self::Postgres(it) => it.commit().await?,
        }
        Ok(())
    }
}

impl DatabaseRow {
    pub(super) fn text(&self, column: &str) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(it) => it.try_get(column)?,
            Self::Postgres(it) => it.try_get(column)?,
        })
    }

    pub(super) fn maybe_text(&self, column: &str) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Sqlite(it) => it.try_get(column)?,
            Self::Postgres(it) => it.try_get(column)?,
        })
    }

    pub(super) fn number(&self, column: &str) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(it) => it.try_get(column)?,
            Self::Postgres(it) => it.try_get(column)?,
        })
    }

    pub(super) fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(it) => it.try_get(column)?,
            Self::Postgres(it) => it.try_get(column)?,
        })
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for SqlValue {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

/// Converts seconds since 1970 to the signed integers of both databases.
impl From<u64> for SqlValue {
    fn from(number: u64) -> Self {
        Self::Number(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

fn bound<'q, DB>(sql: SqlStr, values: Vec<SqlValue>) -> Query<'q, DB, DB::Arguments>
where
    DB: sqlx::Database,
    Option<String>: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
{
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        SqlValue::Text(it) => query.bind(it),
        SqlValue::Number(it) => query.bind(it),
    })
}

fn migrator(locking: bool) -> Migrator {
    let one = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.into_iter().map(one).collect());
    migrator.set_locking(locking);
    migrator
}

/// Creates the file, readable only for its owner, and holds a lock beside it until the tables are
/// migrated.
async fn lock(path: PathBuf) -> Result<File, Error> {
    let locked = tokio::task::spawn_blocking(move || {
        let open =
            |path: &Path| OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let mut beside = path.clone().into_os_string();
        beside.push(".lock");
        let lock = open(&path)
            .and_then(|_| open(Path::new(&beside)))
            .and_then(|it| it.lock().map(|()| it));
        lock.map_err(|it| {
            Error::File(format!("the database {} cannot be opened: {it}", path.display()))
        })
    });
    locked.await.unwrap_or_else(|it| Err(Error::File(it.to_string())))
}
