//! The load for profile-guided optimization: typical requests, each for a few seconds.

use crate::entrada::{EntradaFolder, EntradaKind, EntradaProcess};
use crate::load::{LoadDriver, LoadRun, LoadSize};
use crate::nginx::NginxApp;
use crate::sign_in::{BenchBrowser, EmulatorProcess};
use crate::stage::certificate;
use crate::terminal::{BenchOutcome, say};
use crate::tools::BenchTools;
use std::path::Path;

/// Duration of each part, in seconds.
const SECONDS: u64 = 4;

/// Number of additional sign-ins.
const SIGN_INS: usize = 50;

/// Drives `binary`, then ends it gracefully, because an instrumented program writes its profile
/// when it exits.
pub fn train(tools: &BenchTools, dir: &Path, binary: &Path) -> BenchOutcome<()> {
    let certificate = certificate(dir)?;
    let app = NginxApp::start(&tools.nginx, dir)?;
    let driver = LoadDriver::new(&tools.wrk, dir)?;
    for kind in [EntradaKind::Clear, EntradaKind::Tls, EntradaKind::Logged] {
        let place = EntradaFolder::choose(kind, &certificate)?;
        let emulator = EmulatorProcess::start(binary, &[place.redirect_uri()])?;
        let entrada =
            EntradaProcess::start(binary, dir, app.port, &place, &certificate, &emulator)?;
        let mut browser = BenchBrowser::open(&entrada.site, &emulator)?;
        for _ in 0..SIGN_INS {
            browser.sign_in()?;
        }
        let session = browser.sign_in()?;
        let parts = [
            ("/app", LoadSize::Small, Some(session.as_str()), 64),
            ("/app", LoadSize::Small, Some(session.as_str()), 512),
            ("/public", LoadSize::Small, None, 64),
            ("/app", LoadSize::Large, Some(session.as_str()), 16),
        ];
        for (folder, size, session, connections) in parts {
            say(&format!("training: {kind:?} {folder}/{}, {connections} connections", size.file()));
            driver.drive(
                &LoadRun { site: &entrada.site, folder, size, session, connections },
                SECONDS,
            )?;
        }
        drop(browser);
        let status = entrada.process.stop()?;
        if !status.success() {
            return Err(format!("the program did not end by itself: {status}").into());
        }
    }
    Ok(())
}
