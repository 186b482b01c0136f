//! Links that begin the sign-in for a page.

use super::super::exchange::Exchange;
use super::super::sign_in_url::page_url;
use super::state;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;

/// Maximum length of a link that contains its whole page, in bytes. The origin, a company code and
/// hints are added to it, and the head of a redirect stays below 4 KiB (`MAX_LOCATION_BYTES`).
const MAX_WHOLE_LINK_BYTES: usize = 2048;

/// Maximum length of the path that stands in for a longer page, in bytes; in a query, each can
/// become three.
const MAX_PATH_BYTES: usize = MAX_WHOLE_LINK_BYTES / 4;

/// The link that begins the sign-in for a page, in a redirect or on a page of ours. What is too long
/// for it is kept, and so is the fact that the rest of the page was too long even for that.
pub(in crate::flow) struct StartLink<'a> {
    site: &'a Site,
    return_to: ReturnTo,
    acrs: Vec<String>,
    kept: Option<String>,
}

impl<'a> StartLink<'a> {
    /// Creates the link for a page. If `acrs` names authentication contexts, one of them is
    /// requested.
    pub(in crate::flow) async fn of(
        exchange: &Exchange<'a>,
        return_to: &ReturnTo,
        acrs: &[String],
    ) -> Self {
        let site = &exchange.app.site;
        let whole = Self { site, return_to: return_to.clone(), acrs: acrs.to_vec(), kept: None };
        if whole.start(None).len() <= MAX_WHOLE_LINK_BYTES && !return_to.is_shortened() {
            return whole;
        }
        let key = state::keep_link(exchange, return_to, acrs).await;
        let page = return_to.without_query();
        let short = if page.as_str().len() > MAX_PATH_BYTES { ReturnTo::home() } else { page };
        Self { site, return_to: short, acrs: Vec::new(), kept: Some(key) }
    }

    /// Returns the link that goes to Entra, at this organization if its code is given.
    pub(in crate::flow) fn start(&self, organization: Option<&str>) -> String {
        self.at(own_path::START, organization)
    }

    /// Returns the link to the page that asks first.
    pub(in crate::flow) fn page(&self) -> String {
        self.at(own_path::SIGN_IN, None)
    }

    fn at(&self, path: &str, organization: Option<&str>) -> String {
        let url = page_url(self.site, path, &self.return_to, &self.acrs, organization);
        match &self.kept {
            Some(key) => format!("{url}&kept={key}"),
            None => url,
        }
    }
}
