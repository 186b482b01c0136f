//! `/setup/history`: the changes and who made them.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::admin_page::{address, admin_page, one_more, query_value, rows, shown, shown_actor};
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::directory::Directory;
use crate::directory::history::HistoryEntry;
use crate::pages::Page;
use crate::pages::admin::{HistoryPage, HistoryRow};
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// Number of changes on one page.
const CHANGES_PER_PAGE: usize = 30;

/// Shows the changes, newest first.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let before = query_value(exchange.inbound, "before").and_then(|it| Guid::parse(&it));
    let (found, last) = rows(
        directory.history(visit.organization().id, before, one_more(CHANGES_PER_PAGE)).await?,
        CHANGES_PER_PAGE,
    );
    let next = last.map(|it| address(exchange.app, "history", &[("before", &it.id.to_string())]));
    let rows = found.into_iter().map(changed).collect();
    Ok(shown(
        exchange,
        StatusCode::OK,
        &Page::History(Box::new(HistoryPage {
            admin: admin_page(exchange.app, visit),
            rows,
            next,
        })),
    ))
}

fn changed(it: HistoryEntry) -> HistoryRow {
    let by = it.by_username.map_or_else(|| shown_actor(&it.by), |it| it.to_string());
    HistoryRow { at: it.at, by, username: it.username.map(|it| it.to_string()), what: it.what }
}
