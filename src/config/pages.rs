//! `[pages]`: the pages that people see.

use super::problem::{InvalidValue, quote};
use super::section::ConfigSection;
use crate::base::color::Color;
use crate::base::logo::{Logo, MAX_LOGO_BYTES};
use std::io::Read as _;
use std::path::PathBuf;
use url::Url;

/// Maximum length of the app's name, in characters.
const MAX_NAME_CHARS: usize = 60;
/// Maximum length of the support address, in bytes.
const MAX_SUPPORT_BYTES: usize = 1000;

/// The parsed section `[pages]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesConfig {
    /// A directory of templates that replace the built-in ones with the same file name.
    pub templates: Option<PathBuf>,
    /// Name of the app, instead of its host name.
    pub name: Option<String>,
    /// Logo above the pages.
    pub logo: Option<Logo>,
    /// Color of buttons and links.
    pub accent: Option<Color>,
    /// Where people get help: an `https` or `mailto` URL.
    pub support: Option<String>,
}

pub(super) fn read(section: &ConfigSection<'_>) -> PagesConfig {
    let logo = section.key("logo", "Logo on pages: a PNG or SVG file of at most 64 KiB");
    let accent = section.key("accent", "Color of buttons and links, in light and dark");
    let support = section.key("support", "Where people get help: a link on the pages of refusals");
    PagesConfig {
        templates: section
            .key("templates", "Templates that replace the built-in ones, by file name")
            .directory(),
        name: section
            .key("name", "Name of the app on pages and in invitations, instead of its host name")
            .parse(name)
            .map(|it| it.value),
        logo: logo.parse(read_logo).map(|it| it.value),
        accent: accent.parse(color).map(|it| it.value),
        support: support.parse(support_url).map(|it| it.value),
    }
}

fn name(text: &str) -> Result<String, InvalidValue> {
    let name = text.trim();
    let chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) {
        let invalid = InvalidValue::new(format!("has {chars} characters"));
        return Err(invalid.hint(format!("choose from 1 to {MAX_NAME_CHARS} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(InvalidValue::new("contains a control character")
            .hint("write the name in one line, without tabs"));
    }
    Ok(name.to_owned())
}

/// Reads the file, because pages show what it contains at the start, and so that `check` finds what
/// is wrong with it.
fn read_logo(text: &str) -> Result<Logo, InvalidValue> {
    let unread =
        |why: &std::io::Error| InvalidValue::new(format!("{} cannot be read: {why}", quote(text)));
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(text).map_err(|it| unread(&it))?.is_file() {
        return Err(InvalidValue::new(format!("{} is not a file", quote(text))));
    }
    let limit = u64::try_from(MAX_LOGO_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(text).map_err(|it| unread(&it))?;
    file.take(limit).read_to_end(&mut bytes).map_err(|it| unread(&it))?;
    Logo::read(bytes).map_err(|it| {
        InvalidValue::new(format!("{} {it}", quote(text)))
            .hint("use a PNG or an SVG of at most 64 KiB")
    })
}

fn color(text: &str) -> Result<Color, InvalidValue> {
    Color::parse(text).ok_or_else(|| {
        InvalidValue::new(format!("{} is not a color", quote(text)))
            .hint("write a number sign and six hexadecimal digits, like \"#2f4bc7\"")
    })
}

fn support_url(text: &str) -> Result<String, InvalidValue> {
    let invalid = || {
        InvalidValue::new(format!("{} is neither an https nor a mailto address", quote(text)))
            .hint("write it like \"https://help.example.com\" or \"mailto:help@example.com\"")
    };
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_SUPPORT_BYTES);
    let url = url.ok_or_else(invalid)?;
    let is_link = match url.scheme() {
        "https" => url.username().is_empty() && url.password().is_none(),
        "mailto" => {
            url.path().split_once('@').is_some_and(|it| !it.0.is_empty() && !it.1.is_empty())
        }
        _ => false,
    };
    if is_link { Ok(url.into()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_one_line_of_at_most_60_characters() {
        let (long, longer) = ("ä".repeat(60), "ä".repeat(61));
        for (text, is) in [
            ("Fleet", Some("Fleet")),
            ("  Fleet & Friends <3 ", Some("Fleet & Friends <3")),
            (long.as_str(), Some(long.as_str())),
            (longer.as_str(), None),
            (" ", None),
            ("Fleet\nFriends", None),
            ("Fleet\u{7}", None),
        ] {
            assert_eq!(name(text).ok().as_deref(), is, "{text:?}");
        }
    }

    #[test]
    fn help_is_at_an_https_or_mailto_address() {
        for (text, is) in [
            ("https://help.example.com/sso?a=b", Some("https://help.example.com/sso?a=b")),
            ("mailto:help@example.com", Some("mailto:help@example.com")),
            ("mailto:help@example.com?subject=SSO", Some("mailto:help@example.com?subject=SSO")),
            ("http://help.example.com", None),
            ("https://user:word@help.example.com", None),
            ("https://", None),
            ("mailto:", None),
            ("mailto:help", None),
            ("mailto:@example.com", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("tel:+4912345", None),
            ("help.example.com", None),
            ("/help", None),
        ] {
            assert_eq!(support_url(text).ok().as_deref(), is, "{text}");
        }
        assert!(support_url(&format!("https://a.example/{}", "x".repeat(1000))).is_err());
    }

    #[test]
    fn a_logo_is_read_and_a_file_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let svg = at("logo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
        assert_eq!(read_logo(&svg).unwrap().kind().media_type(), "image/svg+xml");
        let gif = at("logo.svg", b"GIF89a");
        assert!(read_logo(&gif).unwrap_err().what.ends_with("is neither a PNG nor an SVG"));
        let large = at("large.svg", &vec![b' '; MAX_LOGO_BYTES + 1]);
        assert!(read_logo(&large).unwrap_err().what.ends_with("is larger than 64 KiB"));
        assert!(read_logo(folder.path().to_str().unwrap()).is_err());
        assert!(read_logo("/nonexistent/logo.svg").unwrap_err().what.contains("cannot be read"));
    }
}
