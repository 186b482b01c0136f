//! A restart with `session.snapshot`: nobody is signed out, and nobody comes back who was.

use crate::flood::{FloodedProgram, ProgramLaunch, ProgramOutput};
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::company::companies;
use crate::world::raw::talk;
use crate::world::samples::{FRIDA, MAYA, MAYA_ID, TOM};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan};
use entrada::directory::admin::{AdminScope, PersonAction};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MINUTE: i64 = 60;

/// A folder of sessions, and the lines that name it.
struct SavedSessions {
    place: tempfile::TempDir,
}

impl SavedSessions {
    fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("sessions")
    }

    fn plan(&self) -> WorldPlan {
        let session = format!("snapshot = \"{}\"", self.folder().display());
        WorldPlan { session, ..WorldPlan::default() }
    }

    /// A program of its own, at the port of the one before.
    async fn program(&self, world: &World, port: Option<u16>) -> FloodedProgram {
        self.program_with(world, port, &[]).await
    }

    async fn program_with(
        &self,
        world: &World,
        port: Option<u16>,
        more: &[(&'static str, &str)],
    ) -> FloodedProgram {
        let mut variables = vec![
            ("ENTRADA_SESSION_SNAPSHOT", self.folder().display().to_string()),
            ("ENTRADA_SESSION_SNAPSHOT_INTERVAL", "1s".to_owned()),
        ];
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let output = ProgramOutput::Kept;
        FloodedProgram::launch(
            world,
            ProgramLaunch { output, variables, port, ..Default::default() },
        )
        .await
    }

    /// Waits for a snapshot that was begun after now.
    async fn is_saved(&self) {
        let changed =
            || std::fs::metadata(self.folder().join("sessions")).and_then(|it| it.modified()).ok();
        let mut seen = changed();
        // The one that is being written may have been begun before.
        for _ in 0..2 {
            let before = seen;
            for _ in 0..500 {
                seen = changed();
                if seen != before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(seen != before, "no snapshot was written");
        }
    }
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

async fn signs_in(world: &World, program: &FloodedProgram, person: &str) -> TestBrowser {
    let mut browser = world.browser_at(program.address);
    browser.visits("/").await;
    assert_eq!(browser.signs_in_as(person).await.status, 200);
    browser
}

#[tokio::test]
async fn after_a_restart_everyone_is_signed_in_as_before() {
    let saved = SavedSessions::new();
    let mut world = World::with(saved.plan()).await;
    let mut maya = world.signed_in(MAYA).await;
    let mut tom = world.signed_in(TOM).await;
    let before = maya.visits("/x").await;
    let count = world.emulator.control().token_calls();
    world.restarts(async |_| {}).await;
    let after = maya.visits("/x").await;
    assert_eq!((after.status, status(&mut tom).await), (200, 200));
    for header in ["x-forwarded-name", "x-forwarded-user", "x-forwarded-roles"] {
        assert_eq!(after.app_heard(header), before.app_heard(header), "{header}");
    }
    assert_eq!(world.emulator.control().token_calls(), count, "nobody signed in again");
    // A sign-out counts, and what counted before the restart still does.
    assert_eq!(maya.asks("GET", "/admin/x", SCRIPT).await.status, 200);
    maya.visits("/oauth2/sign_out").await;
    assert_eq!(status(&mut maya).await, 401);
    world.restarts(async |_| {}).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (401, 200));
}

#[tokio::test]
async fn a_restored_session_is_rechecked_with_its_refresh_token_and_ends_when_entra_says_so() {
    let saved = SavedSessions::new();
    let mut world = World::with(saved.plan()).await;
    let mut maya = world.signed_in(MAYA).await;
    let mut tom = world.signed_in(TOM).await;
    world.emulator.control().set_roles(MAYA_ID, vec!["Reader".to_owned()]);
    world.restarts(async |_| {}).await;
    let control = world.emulator.control();
    assert_eq!(
        (maya.asks("GET", "/admin/x", SCRIPT).await.status, control.refresh_calls()),
        (200, 0)
    );
    world.later(31 * MINUTE);
    let mut is_changed = false;
    for _ in 0..300 {
        is_changed = maya.asks("GET", "/admin/x", SCRIPT).await.status == 403;
        if is_changed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_changed, "the roles are those of before");
    assert_eq!(status(&mut tom).await, 200);
    // What was idle for an hour does not come back.
    world.restarts(async |world| world.later(61 * MINUTE)).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (401, 401));
}

#[tokio::test]
async fn who_is_switched_off_while_the_program_is_down_is_not_served_afterwards() {
    let saved = SavedSessions::new();
    let plan = saved.plan();
    let directory = WorldPlan::of_directory("").with_organizations(companies());
    let mut world = World::with(WorldPlan { session: plan.session, ..directory }).await;
    let mut browsers = Vec::new();
    for person in [MAYA, TOM, FRIDA] {
        let mut browser = world.browser();
        browser.visits("/x").await;
        browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", person)]).await;
        assert_eq!(browser.signs_in_as(person).await.status, 200);
        browsers.push(browser);
    }
    world
        .restarts(async |world| {
            let file = world.folder.path().join("entrada.toml");
            std::fs::write(&file, world.text_for(world.address.port(), world.admin.port()))
                .unwrap();
            let off = std::process::Command::new(env!("CARGO_BIN_EXE_entrada"))
                .args(["person", "off", MAYA, "--config"])
                .arg(&file)
                .env("STORY_CLIENT_SECRET", CLIENT_SECRET)
                .env("STORY_SEAL", SEAL)
                .output()
                .unwrap();
            assert!(off.status.success(), "{}", String::from_utf8_lossy(&off.stderr));
        })
        .await;
    // With the first request, not seconds later.
    let mut now = Vec::new();
    for browser in &mut browsers {
        now.push(status(browser).await);
    }
    assert_eq!(now, [401, 200, 200]);
}

#[tokio::test]
async fn who_signed_in_again_after_a_sign_out_everywhere_stays_signed_in_over_a_restart() {
    let saved = SavedSessions::new();
    let directory = WorldPlan::of_directory("").with_organizations(companies());
    let mut world = World::with(WorldPlan { session: saved.plan().session, ..directory }).await;
    let signs_in = async |world: &World, browser: &mut TestBrowser| {
        browser.visits("/x").await;
        browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", TOM)]).await;
        if browser.page.is_the_sign_in_at_entra() {
            browser.signs_in_as(TOM).await;
        }
        assert_eq!(status(browser).await, 200, "{}", world.public_url);
    };
    let mut tom = world.browser();
    signs_in(&world, &mut tom).await;
    let (organization, person) = (world.organization("contoso").await, world.person(TOM).await);
    let by = AdminScope::operator(organization.id, "story");
    world.directory().apply_action(&by, person.id, &PersonAction::SignOut).await.unwrap();
    for _ in 0..300 {
        if status(&mut tom).await == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The change is applied once more some seconds later, to sessions from before it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    signs_in(&world, &mut tom).await;
    world.later(15);
    world.restarts(async |_| {}).await;
    for _ in 0..8 {
        assert_eq!(status(&mut tom).await, 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn attack_what_was_signed_out_does_not_come_back_after_a_crash() {
    let saved = SavedSessions::new();
    let world = World::start().await;
    let mut program = saved.program(&world, None).await;
    let (mut maya, mut tom) =
        (signs_in(&world, &program, MAYA).await, signs_in(&world, &program, TOM).await);
    saved.is_saved().await;
    maya.visits("/oauth2/sign_out").await;
    program.is_told("KILL");
    assert!(!program.ended().await);
    let port = program.address.port();
    let mut program = saved.program(&world, Some(port)).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (401, 200));
    // SIGTERM saves what came since the last snapshot.
    let mut maya = signs_in(&world, &program, MAYA).await;
    program.is_told("TERM");
    assert!(program.ended().await, "{}", program.said().await);
    let program = saved.program(&world, Some(port)).await;
    assert_eq!((status(&mut maya).await, status(&mut tom).await), (200, 200));
    assert!(program.logged().await.contains("sessions restored"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_signs_people_out_and_the_program_starts() {
    let saved = SavedSessions::new();
    let world = World::start().await;
    let mut program = saved.program(&world, None).await;
    let mut maya = signs_in(&world, &program, MAYA).await;
    program.is_told("TERM");
    assert!(program.ended().await);
    let file = saved.folder().join("sessions");
    let whole = std::fs::read(&file).unwrap();
    assert!(!contains(&whole, b"maya") && !contains(&whole, b"Okafor"), "names are readable");
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let port = program.address.port();
    let program = saved.program(&world, Some(port)).await;
    assert_eq!(status(&mut maya).await, 401);
    let log = program.logged().await;
    assert!(log.contains("is damaged") && log.contains("unreadable-"), "{log}");
    let mut maya = signs_in(&world, &program, MAYA).await;
    assert_eq!(status(&mut maya).await, 200);
}

#[tokio::test]
async fn attack_sessions_of_another_registration_are_not_restored() {
    let saved = SavedSessions::new();
    let world = World::start().await;
    let mut program = saved.program(&world, None).await;
    let mut maya = signs_in(&world, &program, MAYA).await;
    program.is_told("TERM");
    assert!(program.ended().await);
    let port = Some(program.address.port());
    let other = ("ENTRADA_ENTRA_CLIENT_ID", "99999999-bbbb-3333-cccc-4444dddd5555");
    let program = saved.program_with(&world, port, &[other]).await;
    assert_eq!(status(&mut maya).await, 401);
    let log = program.logged().await;
    assert!(log.contains("another sign-in configuration"), "{log}");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

#[tokio::test]
async fn a_second_program_waits_for_the_folder_and_goes_on_with_the_sessions() {
    let saved = SavedSessions::new();
    let world = World::start().await;
    let mut program = saved.program(&world, None).await;
    let port = program.address.port();
    let mut maya = signs_in(&world, &program, MAYA).await;
    let second = async { saved.program(&world, Some(port)).await };
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let alive = talk(program.address, &program.get("/public/x", "close")).await;
        assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
        program.is_told("TERM");
        assert!(program.ended().await);
    };
    let (program, ()) = tokio::join!(second, stop);
    assert_eq!(status(&mut maya).await, 200);
    assert!(program.logged().await.contains("waiting until another process releases"));
}

#[tokio::test]
async fn without_secrets_there_is_nothing_to_seal_with() {
    let path = Path::new("/nowhere/sessions");
    let text = format!(
        "[server]\npublic_url = \"https://app.example\"\n[upstream]\nurl = \"http://127.0.0.1:1\"\n[session]\nsnapshot = \"{}\"\n",
        path.display()
    );
    let outcome = entrada::config::read("story", &text, &[]);
    let problems = entrada::config::problem::print(&outcome, "story");
    assert!(
        problems.contains("session.snapshot") && problems.contains("session.secrets"),
        "{problems}"
    );
}
