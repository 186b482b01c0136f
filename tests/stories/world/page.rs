//! What a browser shows.

use http::HeaderMap;
use url::Url;

/// The result of a request.
#[derive(Clone, Debug)]
pub struct BrowserPage {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// Every address in the redirect chain, in order.
    pub way: Vec<Url>,
}

impl BrowserPage {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("no JSON but {}: {}", self.status, self.body))
    }

    /// Returns the `state` of a redirect to Entra.
    pub fn state(&self) -> String {
        let location = url::Url::parse(self.header("location")).unwrap();
        location.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned()
    }

    /// Returns the reference of a JSON problem.
    pub fn reference(&self) -> String {
        self.json()["reference"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    pub fn path_and_query(&self) -> String {
        self.url[url::Position::BeforePath..].to_owned()
    }

    pub fn is_the_sign_in_at_entra(&self) -> bool {
        self.status == 200
            && self.body.contains("Pick an account")
            && self.body.contains("NOT MICROSOFT")
    }

    /// Returns every line that the echo app received under this name.
    pub fn app_heard_all(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let headers =
            json["headers"].as_array().unwrap_or_else(|| panic!("not the app: {}", self.body));
        headers
            .iter()
            .filter(|it| it[0].as_str().unwrap().eq_ignore_ascii_case(name))
            .map(|it| it[1].as_str().unwrap().to_owned())
            .collect()
    }

    /// Returns the value that the echo app received under this name; empty if there was none.
    pub fn app_heard(&self, name: &str) -> String {
        let all = self.app_heard_all(name);
        assert!(all.len() <= 1, "{name} came {} times", all.len());
        all.into_iter().next().unwrap_or_default()
    }
}
