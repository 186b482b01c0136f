//! `/setup/sign_ins`: recent sign-ins, and why sign-ins were refused.

use super::super::exchange::Exchange;
use super::super::refusal::{REASONS, Refusal, for_customers};
use super::admin_page::{address, admin_page, one_more, query_value, rows, shown};
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::base::language::Language;
use crate::directory::Directory;
use crate::directory::organization::Organization;
use crate::directory::recent::{RecentSignIn, RecentSignInQuery};
use crate::entra::aadsts::{self, Remedy, RemedyNames};
use crate::pages::Page;
use crate::pages::admin::{EntraErrorDetail, RefusalReason, SignInRow, SignInsPage};
use crate::pages::phrases::CustomerPhrases;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// Number of sign-ins on one page.
const SIGN_INS_PER_PAGE: usize = 30;

/// Shows the sign-ins, newest first.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let inbound = exchange.inbound;
    let refused_only = query_value(inbound, "refused").is_some_and(|it| it == "1");
    let before = query_value(inbound, "before").and_then(|it| Guid::parse(&it));
    let (found, last) = rows(
        directory
            .sign_ins(
                visit.organization().id,
                RecentSignInQuery { before, refused_only, limit: one_more(SIGN_INS_PER_PAGE) },
            )
            .await?,
        SIGN_INS_PER_PAGE,
    );
    let refused = if refused_only { "1" } else { "" };
    let next = last.map(|it| {
        address(exchange.app, "sign_ins", &[("refused", refused), ("before", &it.id.to_string())])
    });
    let names = names(exchange, visit.organization());
    let customer = &exchange.sidecar.pages.phrases(exchange.language()).customer;
    let why = |reason| why(exchange.language(), customer, &names, reason);
    let rows = found.into_iter().map(|it| seen(exchange.app, &why, it)).collect();
    Ok(shown(
        exchange,
        StatusCode::OK,
        &Page::SignIns(Box::new(SignInsPage {
            admin: admin_page(exchange.app, visit),
            refused_only,
            rows,
            next,
        })),
    ))
}

fn seen(app: &App, why: &impl Fn(String) -> RefusalReason, it: RecentSignIn) -> SignInRow {
    let RecentSignIn { at, sign_in, username, .. } = it;
    let href = username
        .as_ref()
        .and(sign_in.person)
        .map(|it| address(app, "people", &[("person", &it.to_string())]));
    let name = username.map(|it| it.to_string()).or(sign_in.name).unwrap_or_default();
    SignInRow { at, name, href, refused: sign_in.refused.map(why), reference: sign_in.reference }
}

fn why(
    language: Language,
    customer: &CustomerPhrases,
    names: &RemedyNames,
    reason: String,
) -> RefusalReason {
    if let Some(word) = REASONS.into_iter().find(|it| *it == reason) {
        return RefusalReason::Word(word);
    }
    let code = reason.strip_prefix("AADSTS").and_then(|it| it.parse::<u32>().ok());
    let entry = code.and_then(aadsts::find);
    RefusalReason::Entra(EntraErrorDetail {
        about: entry.map(|it| it.what(language).to_owned()),
        remedy: entry
            .and_then(|it| it.remedy(names, None, language))
            .map(|it| remedy(customer, &it)),
        more: code.map(|it| format!("https://login.microsoftonline.com/error?code={it}")),
        code: reason,
    })
}

fn remedy(customer: &CustomerPhrases, it: &Remedy) -> String {
    let said = |text: &str| for_customers::text(customer, text);
    match (said(&it.fix), said(&it.place)) {
        (Some(fix), Some(place)) => format!("{fix} {place}"),
        _ => customer.ask_operator.clone(),
    }
}

/// Returns the names with which an admin finds the organization's app.
fn names(exchange: &Exchange<'_>, organization: &Organization) -> RemedyNames {
    let (client, tenant) =
        (organization.client_id.unwrap_or(Guid::NIL), organization.tenant.unwrap_or(Guid::NIL));
    RemedyNames {
        client_id: client.to_string(),
        tenant: tenant.to_string(),
        ..exchange.sidecar.entra.names(&exchange.app.site)
    }
}
