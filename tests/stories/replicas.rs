//! Two replicas on one database: what is changed at one counts at the other within five seconds.

use crate::postgres;
use crate::tunnels::{Socket, web_socket};
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::company::companies;
use crate::world::raw::talk;
use crate::world::samples::{FRIDA, MAYA, TOM};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::admin::{AdminScope, PersonAction};
use entrada::directory::change::PersonChange;
use entrada::directory::organization::OrganizationState;
use futures_util::StreamExt as _;
use sqlx::Connection as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is promised, and what the story itself takes.
const SOON: Duration = Duration::from_millis(5500);

/// Two replicas; whoever signs in here comes to the second, and whatever is changed is changed at the first.
struct TwoReplicas {
    first: World,
    second: World,
}

impl TwoReplicas {
    async fn start() -> Self {
        let plan = WorldPlan::of_directory("").with_organizations(companies());
        let first = World::with(plan).await;
        let database = first.database();
        Self::with_second(first, &database).await
    }

    async fn on(database: &str) -> Self {
        let plan = WorldPlan::of_directory(&format!("database = \"{database}\""));
        let first = World::with(plan.with_organizations(companies())).await;
        Self::with_second(first, database).await
    }

    /// The second replica has a public address of its own.
    async fn with_second(first: World, database: &str) -> Self {
        let plan = WorldPlan::of_directory(&format!("database = \"{database}\""));
        Self { first, second: World::with(plan.sending(&["x-forwarded"])).await }
    }

    fn file(&self) -> PathBuf {
        self.first.database_file()
    }

    async fn signed_in(&self, person: &str) -> TestBrowser {
        let mut browser = self.second.browser();
        browser.visits("/x").await;
        let shown = browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", person)]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }

    /// `entrada` with the configuration of the first replica, in a process of its own.
    async fn types(&self, line: &str) {
        let file = self.first.folder.path().join("entrada.toml");
        std::fs::write(
            &file,
            self.first.text_for(self.first.address.port(), self.first.admin.port()),
        )
        .unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"));
        command
            .args(line.split_whitespace())
            .arg("--config")
            .arg(&file)
            .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
            .env("STORY_SEAL", SEAL);
        let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

fn off() -> PersonChange {
    PersonChange { on: Some(false), ..PersonChange::default() }
}

fn role(role: &str) -> PersonChange {
    PersonChange { role: Some(role.to_owned()), ..PersonChange::default() }
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

async fn hears(browser: &mut TestBrowser, header: &str) -> String {
    let page = browser.asks("GET", "/api/x", SCRIPT).await;
    if page.status == 200 { page.app_heard(header) } else { page.status.to_string() }
}

/// Looks until it is so, for as long as it may take.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < SOON, "{what}: not within five seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ends(socket: &mut Socket) {
    let end = tokio::time::timeout(SOON, socket.next()).await.expect("the WebSocket goes on");
    assert!(!matches!(end, Some(Ok(ref it)) if it.is_text()), "{end:?}");
}

#[tokio::test]
async fn whoever_is_switched_off_at_one_replica_is_out_at_the_other_with_pages_calls_and_sockets() {
    is_out_at_the_other(TwoReplicas::start().await).await;
    // The same where replicas have no file in common.
    if let Some(database) = postgres::database() {
        is_out_at_the_other(TwoReplicas::on(&database).await).await;
    }
}

async fn is_out_at_the_other(pair: TwoReplicas) {
    let (mut maya, mut tom) = (pair.signed_in(MAYA).await, pair.signed_in(TOM).await);
    let mut socket =
        web_socket(&pair.second, "/ws", &maya.cookie_header(), Some(&pair.second.public_url))
            .await
            .unwrap();
    pair.first.changes_person(MAYA, off()).await;
    ends(&mut socket).await;
    assert_eq!(status(&mut maya).await, 401);
    let page = maya.visits("/reports").await;
    assert!(page.body.contains("Username or company code"), "{}", page.body);
    // By a command, which knows of no replica.
    assert_eq!(status(&mut tom).await, 200);
    pair.types(&format!("person off {TOM}")).await;
    soon("Tom is out", async || status(&mut tom).await == 401).await;
}

#[tokio::test]
async fn an_organization_that_is_switched_off_is_out_everywhere_and_no_other_one_is() {
    let pair = TwoReplicas::start().await;
    let (mut maya, mut tom, mut frida) =
        (pair.signed_in(MAYA).await, pair.signed_in(TOM).await, pair.signed_in(FRIDA).await);
    let mut socket =
        web_socket(&pair.second, "/ws", &tom.cookie_header(), Some(&pair.second.public_url))
            .await
            .unwrap();
    pair.first
        .directory()
        .change_code(
            &CompanyCode::parse("fabrikam").unwrap(),
            &CompanyCode::parse("fabrikam-eu").unwrap(),
            9,
            "story",
        )
        .await
        .unwrap();
    pair.first.turns("contoso", OrganizationState::Off).await;
    ends(&mut socket).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (401, 401));
    soon("the new code", async || {
        hears(&mut frida, "x-entrada-organization").await == "fabrikam-eu"
    })
    .await;
}

#[tokio::test]
async fn a_company_that_its_owner_deletes_at_one_replica_is_out_at_the_other() {
    let pair = TwoReplicas::start().await;
    pair.first.knows(MAYA, "contoso", "owner").await;
    let (mut tom, mut frida) = (pair.signed_in(TOM).await, pair.signed_in(FRIDA).await);
    let mut socket =
        web_socket(&pair.second, "/ws", &tom.cookie_header(), Some(&pair.second.public_url))
            .await
            .unwrap();
    let mut maya = pair.first.browser();
    maya.visits("/oauth2/start?organization=contoso&prompt=login").await;
    maya.signs_in_as(MAYA).await;
    let fields = [("people", "2"), ("code", "contoso")];
    let page = maya.fills("/oauth2/setup/deletion", &fields).await;
    assert!(page.body.contains("The company was deleted"), "{}", page.body);
    ends(&mut socket).await;
    soon("Tom is out", async || status(&mut tom).await == 401).await;
    assert_eq!(status(&mut frida).await, 200);
}

#[tokio::test]
async fn a_role_and_a_sign_out_everywhere_are_heard_of_at_the_other_replica() {
    let pair = TwoReplicas::start().await;
    let (mut maya, mut tom) = (pair.signed_in(MAYA).await, pair.signed_in(TOM).await);
    pair.first.changes_person(MAYA, role("admin")).await;
    soon("the role", async || hears(&mut maya, "x-entrada-role").await == "admin").await;
    // An import tells the history of its people together.
    let contoso = pair
        .first
        .directory()
        .organization(&CompanyCode::parse("contoso").unwrap())
        .await
        .unwrap()
        .unwrap();
    pair.first
        .directory()
        .import(&contoso, format!("username,role\n{TOM},owner\n").as_bytes(), "story", |_| ())
        .await
        .unwrap();
    soon("the role of the file", async || hears(&mut tom, "x-entrada-role").await == "owner").await;
    let person =
        pair.first.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap();
    let acting = AdminScope::operator(contoso.id, "story");
    pair.first.directory().apply_action(&acting, person.id, &PersonAction::SignOut).await.unwrap();
    soon("Maya is out", async || status(&mut maya).await == 401).await;
    // A session that begins after it goes on, also past the second look at that change.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut again = pair.signed_in(MAYA).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!((status(&mut again).await, status(&mut tom).await), (200, 200));
}

#[tokio::test]
async fn a_sign_out_everywhere_counts_at_a_replica_whose_clock_is_ahead() {
    let pair = TwoReplicas::start().await;
    pair.second.later(40);
    let mut maya = pair.signed_in(MAYA).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let person =
        pair.first.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap();
    let acting = AdminScope::operator(person.organization, "story");
    pair.first.directory().apply_action(&acting, person.id, &PersonAction::SignOut).await.unwrap();
    soon("Maya is out", async || status(&mut maya).await == 401).await;
    let mut again = pair.signed_in(MAYA).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(status(&mut again).await, 200);
}

#[tokio::test]
async fn an_account_that_is_no_longer_the_persons_is_out_as_if_it_were_switched_off() {
    let pair = TwoReplicas::start().await;
    let (mut maya, mut tom) = (pair.signed_in(MAYA).await, pair.signed_in(TOM).await);
    pair.first.changes_person(MAYA, PersonChange { unlink: true, ..PersonChange::default() }).await;
    soon("Maya is out", async || status(&mut maya).await == 401).await;
    assert_eq!(status(&mut tom).await, 200);
    // Who is linked again, on the operator's word, comes in and stays.
    let oid =
        pair.second.emulator.people().iter().find(|it| it.user_name == MAYA).unwrap().oid.clone();
    let link = PersonChange { link: Guid::parse(&oid), ..PersonChange::default() };
    pair.first.changes_person(MAYA, link).await;
    let mut again = pair.signed_in(MAYA).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(status(&mut again).await, 200);
}

#[tokio::test]
async fn what_was_changed_while_a_replica_could_not_ask_counts_when_it_can_again() {
    let pair = TwoReplicas::start().await;
    let (mut maya, mut tom) = (pair.signed_in(MAYA).await, pair.signed_in(TOM).await);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(pair.file());
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("ALTER TABLE audit RENAME TO away").execute(&mut database).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Long before the other replica asks again, by its own clock.
    let hidden = "UPDATE person SET state = 'off' WHERE username = 'maya@contoso.example'; \
                  INSERT INTO away SELECT 'aaaabbbb-0000-cccc-1111-dddd2222ee01', strftime('%s', 'now') + 0, 'story', organization, id, 'state off' \
                  FROM person WHERE username = 'maya@contoso.example'";
    sqlx::raw_sql(hidden).execute(&mut database).await.unwrap();
    pair.second.later(900);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        (status(&mut maya).await, status(&mut tom).await),
        (200, 200),
        "an outage signs nobody out"
    );
    assert!(figures(&pair).await.contains("entrada_directory_unreachable 1\n"));
    sqlx::raw_sql("ALTER TABLE away RENAME TO audit").execute(&mut database).await.unwrap();
    soon("Maya is out", async || status(&mut maya).await == 401).await;
    assert_eq!(status(&mut tom).await, 200);
    let figures = figures(&pair).await;
    for line in [
        "entrada_directory_unreachable 0",
        "entrada_directory_sessions_ended_total{cause=\"off\"} 1",
        "entrada_directory_lookups_total{outcome=\"found\"} 2",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
}

async fn figures(pair: &TwoReplicas) -> String {
    talk(pair.second.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
}
