//! `/setup/sign_ins`: who signed in lately, and who was refused why.

use super::super::recent::REASONS;
use super::super::refusal::Refusal;
use super::desk::{address, asked, desk, one_more, rows, shown};
use super::gate::Visit;
use crate::base::guid::Guid;
use crate::base::language::Language;
use crate::directory::Directory;
use crate::directory::organization::Organization;
use crate::directory::recent::{Asked, Kept};
use crate::entra::aadsts::{self, Names};
use crate::pages::Page;
use crate::pages::desk::{Said, Seen, SignIns, Why};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::{Response, StatusCode};

/// Sign-ins on one page.
const PAGE: usize = 30;

/// The newest first.
pub(super) async fn show(house: &Sidecar, inbound: &Inbound, directory: &Directory, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let refused_only = asked(inbound, "refused").is_some_and(|it| it == "1");
    let before = asked(inbound, "before").and_then(|it| Guid::parse(&it));
    let (found, last) = rows(directory.sign_ins(visit.organization().id, Asked { before, refused_only, most: one_more(PAGE) }).await?, PAGE);
    let refused = if refused_only { "1" } else { "" };
    let next = last.map(|it| address(house, "sign_ins", &[("refused", refused), ("before", &it.id.to_string())]));
    let names = names(house, visit.organization());
    let rows = found.into_iter().map(|it| seen(house, inbound.language, &names, it)).collect();
    Ok(shown(house, inbound, StatusCode::OK, &Page::SignIns(Box::new(SignIns { desk: desk(house, visit), refused_only, rows, next }))))
}

fn seen(house: &Sidecar, language: Language, names: &Names, it: Kept) -> Seen {
    let Kept { at, sign_in, username, .. } = it;
    let href = username.as_ref().and(sign_in.person).map(|it| address(house, "people", &[("person", &it.to_string())]));
    let name = username.map(|it| it.to_string()).or(sign_in.name).unwrap_or_default();
    Seen { at, name, href, refused: sign_in.refused.map(|it| why(language, names, it)), reference: sign_in.reference }
}

fn why(language: Language, names: &Names, reason: String) -> Why {
    if let Some(word) = REASONS.into_iter().find(|it| *it == reason) {
        return Why::Word(word);
    }
    let code = reason.strip_prefix("AADSTS").and_then(|it| it.parse::<u32>().ok());
    let entry = code.and_then(aadsts::find);
    Why::Entra(Said {
        about: entry.map(|it| it.what(language).to_owned()),
        mend: entry.and_then(|it| it.remedy(names, None, language)).map(|it| format!("{} {}", it.fix, it.place)),
        more: code.map(|it| format!("https://login.microsoftonline.com/error?code={it}")),
        code: reason,
    })
}

/// What an admin has to know to find the organization's app.
fn names(house: &Sidecar, organization: &Organization) -> Names {
    let (client, tenant) = (organization.client_id.unwrap_or(Guid::NIL), organization.tenant.unwrap_or(Guid::NIL));
    Names { client_id: client.to_string(), tenant: tenant.to_string(), ..house.entra.names(house.site.origin()) }
}
