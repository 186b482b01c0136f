//! The groups that a token does not tell: Microsoft Graph, asked once and for all who wait.

mod membership;
mod outages;
mod sharing;

use crate::world::WorldPlan;
use crate::world::browser::{SCRIPT, TestBrowser};
use std::time::Duration;

const PAGES: u64 = 6;

/// Past the time after which groups are asked for anew, and before the known ones are too old.
const RECHECK: i64 = 31 * 60;

fn entra(line: &str) -> WorldPlan {
    WorldPlan { entra: line.to_owned(), ..WorldPlan::default() }
}

/// Rules that no group decides.
fn no_rules() -> WorldPlan {
    WorldPlan { more: String::new(), ..WorldPlan::default() }
}

fn groups(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|it| format!("0a1b2c3d-0000-4000-8000-{it:012x}")).collect()
}

/// Looks again and again until it is so.
async fn soon(
    browser: &mut TestBrowser,
    path: &str,
    holds: impl Fn(&crate::world::browser::BrowserPage) -> bool,
) {
    for _ in 0..200 {
        let page = browser.asks("GET", path, SCRIPT).await;
        if holds(&page) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come about at {path}");
}
