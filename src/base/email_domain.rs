//! Domains of e-mail addresses that a company can claim for its people.

use super::domains::is_domain;
use std::fmt;

/// Maximum length of a typed domain, in bytes.
const MAX_TYPED_DOMAIN_BYTES: usize = 256;

/// Domains that Microsoft gives to every tenant: each belongs to one tenant, which nobody proves.
const MICROSOFT_DOMAINS: &[&str] =
    &["onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.de", "onmschina.cn", "microsoftonline.com"];

/// Providers with a domain in many countries, such as `yahoo.co.uk`.
const MAIL_PROVIDER_NAMES: &[&str] = &[
    "aol",
    "gmail",
    "gmx",
    "googlemail",
    "hotmail",
    "live",
    "msn",
    "outlook",
    "rocketmail",
    "yahoo",
    "yandex",
];

/// Further domains at which anybody can have an address.
const MAIL_PROVIDERS: &[&str] = &[
    "126.com",
    "163.com",
    "arcor.de",
    "bluewin.ch",
    "bt.com",
    "btinternet.com",
    "comcast.net",
    "cox.net",
    "daum.net",
    "duck.com",
    "fastmail.com",
    "fastmail.fm",
    "free.fr",
    "freenet.de",
    "hanmail.net",
    "hey.com",
    "hushmail.com",
    "icloud.com",
    "inbox.ru",
    "kolabnow.com",
    "laposte.net",
    "libero.it",
    "mac.com",
    "mail.com",
    "mail.de",
    "mail.ru",
    "mailbox.org",
    "me.com",
    "naver.com",
    "o2online.de",
    "online.de",
    "orange.fr",
    "pm.me",
    "posteo.de",
    "proton.me",
    "protonmail.ch",
    "protonmail.com",
    "qq.com",
    "rambler.ru",
    "sbcglobal.net",
    "sina.com",
    "t-online.de",
    "tuta.com",
    "tuta.io",
    "tutanota.com",
    "verizon.net",
    "wanadoo.fr",
    "web.de",
    "ymail.com",
    "zoho.com",
];

/// A domain of e-mail addresses in lower case, at which not just anybody can have an address. The
/// type does not say whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailDomain(Box<str>);

/// Why a domain cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEmailDomain {
    /// Not a domain.
    #[error("this is not a domain; write one like contoso.com")]
    Malformed,
    /// Many different people register names below it.
    #[error("different organizations have names below this domain")]
    PublicSuffix,
    /// Anybody can have an address there.
    #[error("anyone can have an e-mail address at this domain")]
    MailProvider,
    /// One of Microsoft's own domains.
    #[error("a domain of Microsoft cannot be claimed")]
    Microsoft,
}

impl EmailDomain {
    /// Parses a typed domain. Case, surrounding space, one `@` in front and the dot of a full name
    /// are ignored; nothing that merely looks like another character is.
    ///
    /// # Errors
    /// Why the domain cannot be claimed.
    pub fn parse(text: &str) -> Result<Self, BadEmailDomain> {
        if text.len() > MAX_TYPED_DOMAIN_BYTES {
            return Err(BadEmailDomain::Malformed);
        }
        let typed = text.trim();
        let typed = typed.strip_prefix('@').unwrap_or(typed);
        let typed = typed.strip_suffix('.').unwrap_or(typed);
        // An IPv4 address has the form of a domain.
        let is_name = typed.rsplit('.').next().is_some_and(|it| it.parse::<u64>().is_err());
        if !is_domain(typed) || !is_name {
            return Err(BadEmailDomain::Malformed);
        }
        let name = typed.to_ascii_lowercase();
        if MICROSOFT_DOMAINS.iter().any(|it| is_at_or_below(&name, it)) {
            return Err(BadEmailDomain::Microsoft);
        }
        // Without rules of its own, a top-level domain is a public suffix.
        let registered = psl::domain_str(&name).ok_or(BadEmailDomain::PublicSuffix)?;
        let owner = registered.split('.').next().unwrap_or_default();
        if MAIL_PROVIDERS.contains(&registered) || MAIL_PROVIDER_NAMES.contains(&owner) {
            return Err(BadEmailDomain::MailProvider);
        }
        Ok(Self(name.into()))
    }

    /// The domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_at_or_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|it| it.is_empty() || it.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for (typed, domain) in [
            ("contoso.com", "contoso.com"),
            (" Contoso.COM\n", "contoso.com"),
            ("@contoso.com", "contoso.com"),
            ("contoso.com.", "contoso.com"),
            ("mail.contoso.co.uk", "mail.contoso.co.uk"),
            ("contoso.example", "contoso.example"),
            ("xn--mller-kva.de", "xn--mller-kva.de"),
            ("3m.com", "3m.com"),
            // Not below a provider's domain.
            ("notgmail.example", "notgmail.example"),
            ("myonmicrosoft.com", "myonmicrosoft.com"),
            ("gmail.contoso.com", "gmail.contoso.com"),
        ] {
            assert_eq!(EmailDomain::parse(typed).unwrap().as_str(), domain, "{typed:?}");
        }
    }

    #[test]
    fn what_nobody_can_own_or_nobody_can_read_is_refused() {
        for (typed, why) in [
            ("", BadEmailDomain::Malformed),
            ("contoso", BadEmailDomain::Malformed),
            ("maya@contoso.com", BadEmailDomain::Malformed),
            ("@@contoso.com", BadEmailDomain::Malformed),
            ("contoso.com..", BadEmailDomain::Malformed),
            (".contoso.com", BadEmailDomain::Malformed),
            ("contoso..com", BadEmailDomain::Malformed),
            ("https://contoso.com", BadEmailDomain::Malformed),
            ("contoso.com/x", BadEmailDomain::Malformed),
            ("*.contoso.com", BadEmailDomain::Malformed),
            ("_dmarc.contoso.com", BadEmailDomain::Malformed),
            ("con toso.com", BadEmailDomain::Malformed),
            ("127.0.0.1", BadEmailDomain::Malformed),
            ("contoso.com\0", BadEmailDomain::Malformed),
            // A Cyrillic o, a full-width dot and a dash look like ASCII.
            ("c\u{43e}ntoso.com", BadEmailDomain::Malformed),
            ("contoso\u{ff0e}com", BadEmailDomain::Malformed),
            ("con–toso.com", BadEmailDomain::Malformed),
            ("müller.de", BadEmailDomain::Malformed),
            ("co.uk", BadEmailDomain::PublicSuffix),
            ("COM.AU", BadEmailDomain::PublicSuffix),
            ("github.io", BadEmailDomain::PublicSuffix),
            ("azurewebsites.net", BadEmailDomain::PublicSuffix),
            ("gmail.com", BadEmailDomain::MailProvider),
            ("Outlook.com", BadEmailDomain::MailProvider),
            ("yahoo.co.uk", BadEmailDomain::MailProvider),
            ("hotmail.fr", BadEmailDomain::MailProvider),
            ("web.de", BadEmailDomain::MailProvider),
            ("smtp.web.de", BadEmailDomain::MailProvider),
            ("contoso.onmicrosoft.com", BadEmailDomain::Microsoft),
            ("onmicrosoft.com", BadEmailDomain::Microsoft),
            ("contoso.mail.onmicrosoft.com", BadEmailDomain::Microsoft),
            ("contoso.partner.onmschina.cn", BadEmailDomain::Microsoft),
        ] {
            assert_eq!(EmailDomain::parse(typed), Err(why), "{typed:?}");
        }
        let long = format!("{}.com", "a".repeat(64));
        assert_eq!(EmailDomain::parse(&long), Err(BadEmailDomain::Malformed));
        let spaces = format!("contoso.com{}", " ".repeat(300));
        assert_eq!(EmailDomain::parse(&spaces), Err(BadEmailDomain::Malformed));
    }

    #[test]
    fn parsing_again_changes_nothing_and_a_domain_is_plain_ascii() {
        proptest::proptest!(|(text in "[@ ]?[a-zA-Z0-9.\\-]{0,30}[. ]?")| {
            if let Ok(once) = EmailDomain::parse(&text) {
                let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-".contains(&it);
                proptest::prop_assert!(once.as_str().bytes().all(plain));
                proptest::prop_assert_eq!(EmailDomain::parse(once.as_str()), Ok(once));
            }
        });
    }
}
