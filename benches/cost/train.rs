//! The load that a profile is taken from: what people's requests do, each for a few seconds.

use crate::entrada::{Entrada, Kind, Place};
use crate::load::{Driver, Load, Size};
use crate::nginx::App;
use crate::sign_in::{Browser, Emulator};
use crate::stage::certificate;
use crate::terminal::{Outcome, say};
use crate::tools::Tools;
use std::path::Path;

/// Seconds of each part.
const SECONDS: u64 = 4;

/// Sign-ins besides.
const SIGN_INS: usize = 50;

/// Drives `binary`, then ends it the way it ends by itself: an instrumented program writes its profile when it exits.
pub fn train(tools: &Tools, dir: &Path, binary: &Path) -> Outcome<()> {
    let certificate = certificate(dir)?;
    let app = App::start(&tools.nginx, dir)?;
    let driver = Driver::new(&tools.wrk, dir)?;
    for kind in [Kind::Clear, Kind::Tls, Kind::Logged] {
        let place = Place::choose(kind, &certificate)?;
        let emulator = Emulator::start(binary, &[place.redirect_uri()])?;
        let entrada = Entrada::start(binary, dir, app.port, &place, &certificate, &emulator)?;
        let mut browser = Browser::open(&entrada.site, &emulator)?;
        for _ in 0..SIGN_INS {
            browser.sign_in()?;
        }
        let session = browser.sign_in()?;
        let parts = [
            ("/app", Size::Small, Some(session.as_str()), 64),
            ("/app", Size::Small, Some(session.as_str()), 512),
            ("/public", Size::Small, None, 64),
            ("/app", Size::Large, Some(session.as_str()), 16),
        ];
        for (folder, size, session, connections) in parts {
            say(&format!("training: {kind:?} {folder}/{}, {connections} connections", size.file()));
            driver.drive(&Load { site: &entrada.site, folder, size, session, connections }, SECONDS)?;
        }
        drop(browser);
        let status = entrada.process.stop()?;
        if !status.success() {
            return Err(format!("the program did not end by itself: {status}").into());
        }
    }
    Ok(())
}
