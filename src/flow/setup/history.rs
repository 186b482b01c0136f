//! `/setup/history`: what was changed, and by whom.

use super::super::refusal::Refusal;
use super::desk::{address, asked, desk, one_more, rows, shown};
use super::gate::Visit;
use crate::base::guid::Guid;
use crate::directory::Directory;
use crate::directory::history::Change;
use crate::pages::Page;
use crate::pages::desk::{Changed, History};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// Changes on one page.
const PAGE: usize = 30;

/// The newest first.
pub(super) async fn show(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let before = asked(inbound, "before").and_then(|it| Guid::parse(&it));
    let (found, last) = rows(directory.history(visit.organization().id, before, one_more(PAGE)).await?, PAGE);
    let next = last.map(|it| address(house, "history", &[("before", &it.id.to_string())]));
    let rows = found.into_iter().map(changed).collect();
    Ok(shown(house, inbound, StatusCode::OK, &Page::History(Box::new(History { desk: desk(house, visit), rows, next }))))
}

fn changed(it: Change) -> Changed {
    let by = it.by_username.map_or(it.by, |it| it.to_string());
    Changed { at: it.at, by, username: it.username.map(|it| it.to_string()), what: it.what }
}
