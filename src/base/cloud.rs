//! Microsoft's clouds: where each signs people in, and where its Graph is.

/// One of Microsoft's clouds (`learn:/authentication-national-cloud`). Its issuers are `https://<login>/<tenant ID>/v2.0`.
#[derive(Debug, PartialEq, Eq)]
pub struct MicrosoftCloud {
    /// As `cloud = "..."` says it.
    pub name: &'static str,
    /// The host where people sign in.
    pub login: &'static str,
    /// Other names of that host: asked at one, Entra may name another.
    pub aliases: &'static [&'static str],
    /// The host of Microsoft Graph.
    pub graph: &'static str,
}

/// All of them; the first is the default. Both Government ones sign in at the same host and differ in their Graph.
pub static CLOUDS: [MicrosoftCloud; 4] = [
    MicrosoftCloud {
        name: "public",
        login: "login.microsoftonline.com",
        aliases: &["login.windows.net", "login.microsoft.com", "sts.windows.net"],
        graph: "graph.microsoft.com",
    },
    MicrosoftCloud { name: "usgov", login: "login.microsoftonline.us", aliases: US, graph: "graph.microsoft.us" },
    MicrosoftCloud { name: "usgov-dod", login: "login.microsoftonline.us", aliases: US, graph: "dod-graph.microsoft.us" },
    MicrosoftCloud { name: "china", login: "login.partner.microsoftonline.cn", aliases: &["login.chinacloudapi.cn"], graph: "microsoftgraph.chinacloudapi.cn" },
];

const US: &[&str] = &["login.usgovcloudapi.net", "login-us.microsoftonline.com"];

impl MicrosoftCloud {
    /// Scheme and host of the authority.
    pub fn authority(&self) -> String {
        format!("https://{}", self.login)
    }

    /// Whether that host is this cloud's sign-in, under any of its names.
    pub fn signs_in_at(&self, host: &str) -> bool {
        self.login == host || self.aliases.contains(&host)
    }
}
