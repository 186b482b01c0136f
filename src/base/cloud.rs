//! Microsoft's clouds, each with its own hosts for sign-in and for Microsoft Graph.

/// One of Microsoft's clouds (`learn:/authentication-national-cloud`). Its issuers are
/// `https://<login>/<tenant ID>/v2.0`.
#[derive(Debug, PartialEq, Eq)]
pub struct MicrosoftCloud {
    /// Name in `cloud = "..."`.
    pub name: &'static str,
    /// Host name for sign-in.
    pub login: &'static str,
    /// Other names of the sign-in host: Entra may answer under a different name from the one
    /// requested.
    pub aliases: &'static [&'static str],
    /// Host name of Microsoft Graph.
    pub graph: &'static str,
}

/// All clouds; the first is the default. The two Government clouds share a sign-in host and differ
/// in their Graph.
pub static CLOUDS: [MicrosoftCloud; 4] = [
    MicrosoftCloud {
        name: "public",
        login: "login.microsoftonline.com",
        aliases: &["login.windows.net", "login.microsoft.com", "sts.windows.net"],
        graph: "graph.microsoft.com",
    },
    MicrosoftCloud {
        name: "usgov",
        login: "login.microsoftonline.us",
        aliases: US,
        graph: "graph.microsoft.us",
    },
    MicrosoftCloud {
        name: "usgov-dod",
        login: "login.microsoftonline.us",
        aliases: US,
        graph: "dod-graph.microsoft.us",
    },
    MicrosoftCloud {
        name: "china",
        login: "login.partner.microsoftonline.cn",
        aliases: &["login.chinacloudapi.cn"],
        graph: "microsoftgraph.chinacloudapi.cn",
    },
];

const US: &[&str] = &["login.usgovcloudapi.net", "login-us.microsoftonline.com"];

impl MicrosoftCloud {
    /// Scheme and host of the authority, such as `https://login.microsoftonline.com`.
    pub fn authority(&self) -> String {
        format!("https://{}", self.login)
    }

    /// Whether `host` is this cloud's sign-in host, under any of its names.
    pub fn signs_in_at(&self, host: &str) -> bool {
        self.login == host || self.aliases.contains(&host)
    }
}
