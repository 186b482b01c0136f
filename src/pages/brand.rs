//! The operator's name, logo, color and support address on the pages (`[pages]`).

use super::link::attribute;
use crate::base::color::Color;
use crate::base::logo::{Logo, LogoKind};
use crate::base::own_path;
use crate::config::pages::PagesConfig;
use aws_lc_rs::digest::{SHA256, digest};
use minijinja::context;
use minijinja::value::Value;
use std::fmt::Write as _;

/// Lowest contrast of text (WCAG 2.2, 1.4.3).
const MIN_TEXT_CONTRAST: f64 = 4.5;
/// Lowest contrast of a button with what is around it (WCAG 2.2, 1.4.11).
const MIN_SHAPE_CONTRAST: f64 = 3.0;
/// Number of bytes of the digest that name a version of the logo.
const LOGO_TAG_BYTES: usize = 8;

/// The color of cards, and of everything else in the style sheet that text stands on.
const LIGHT: ThemeGrounds = ThemeGrounds {
    card: "#ffffff",
    others: &["#f3f4f7", "#fbe9e7", "#fcf0d9", "#e2f4e8"],
    pole: Color::BLACK,
    tint_percent: 10,
};
const DARK: ThemeGrounds = ThemeGrounds {
    card: "#171b23",
    others: &["#0e1117", "#0f131a", "#4a211d", "#433112", "#163c26"],
    pole: Color::WHITE,
    tint_percent: 24,
};

/// What is the same on every page of an operator.
#[derive(Clone, Debug, Default)]
pub(super) struct Brand {
    name: Option<String>,
    logo: Option<BrandLogo>,
    support: Option<String>,
    /// Rules for the end of the style sheet.
    style: String,
}

/// The logo, and the address at which pages load it.
#[derive(Clone, Debug)]
struct BrandLogo {
    picture: Logo,
    tag: String,
    href: String,
}

/// The grounds of a theme.
struct ThemeGrounds {
    card: &'static str,
    others: &'static [&'static str],
    /// The color towards which a color moves to be told apart from these grounds.
    pole: Color,
    /// How much of the accent colors the ground of marks and codes.
    tint_percent: u8,
}

/// The colors of a theme that follow from the accent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ThemeColors {
    button: Color,
    text_on_button: Color,
    hovered_button: Color,
    link: Color,
    tinted_ground: Color,
}

impl Brand {
    /// Reads the section; `prefix` is the prefix of Entrada's own paths.
    pub(super) fn new(config: &PagesConfig, prefix: &str) -> Self {
        let logo = config.logo.clone().map(|picture| {
            let hash = digest(&SHA256, picture.bytes());
            let mut tag = String::new();
            for byte in hash.as_ref().iter().take(LOGO_TAG_BYTES) {
                let _ = write!(tag, "{byte:02x}");
            }
            // A changed logo has another address, so caches do not show the old one.
            let href = format!("{prefix}{}?{tag}", own_path::LOGO);
            BrandLogo { picture, tag, href }
        });
        Self {
            name: config.name.clone(),
            logo,
            support: config.support.clone(),
            style: config.accent.map(style).unwrap_or_default(),
        }
    }

    /// The logo, and a tag that differs for every other logo.
    pub(super) fn logo(&self) -> Option<(&Logo, &str)> {
        self.logo.as_ref().map(|it| (&it.picture, it.tag.as_str()))
    }

    /// Rules that the style sheet ends with.
    pub(super) fn style(&self) -> &str {
        &self.style
    }

    /// The value `brand` of every template.
    pub(super) fn context(&self) -> Value {
        let logo = self.logo.as_ref().map(|it| {
            context! { href => attribute(&it.href), is_png => it.picture.kind() == LogoKind::Png }
        });
        // The configuration allows only https and mailto.
        context! { name => self.name.as_deref(), logo, support => self.support.as_deref().map(attribute) }
    }
}

/// Returns the rules for an accent in both themes.
fn style(accent: Color) -> String {
    let (light, dark) = (LIGHT.colors(accent), DARK.colors(accent));
    format!(
        ":root {{ {} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n",
        light.declarations(),
        dark.declarations()
    )
}

impl ThemeGrounds {
    /// Buttons keep the accent as far as they can be seen, and their text is black or white,
    /// whichever can be read. Links and marks move further, because they are text themselves.
    fn colors(&self, accent: Color) -> ThemeColors {
        let card = Color::parse(self.card).unwrap_or(Color::WHITE);
        let button = accent.moved_until(self.pole, MIN_SHAPE_CONTRAST, &[card]);
        let text_on_button = button.readable_text();
        let away = if text_on_button == Color::WHITE { Color::BLACK } else { Color::WHITE };
        let tinted_ground = card.mixed(accent, self.tint_percent);
        let grounds: Vec<_> = self.others.iter().filter_map(|it| Color::parse(it)).collect();
        let grounds = [grounds, vec![card, tinted_ground]].concat();
        ThemeColors {
            button,
            text_on_button,
            hovered_button: button.mixed(away, 15),
            link: accent.moved_until(self.pole, MIN_TEXT_CONTRAST, &grounds),
            tinted_ground,
        }
    }
}

impl ThemeColors {
    fn declarations(&self) -> String {
        let Self { button, text_on_button, hovered_button, link, tinted_ground } = self;
        format!(
            "--accent: {button}; --on-accent: {text_on_button}; --accent-over: {hovered_button}; --link: {link}; --calm: {link}; --calm-ground: {tinted_ground};"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        Color::parse(text).unwrap()
    }

    /// The grounds that the style sheet gives to a theme: its first or its second `:root`.
    fn grounds_of_style_sheet(theme: usize) -> Vec<String> {
        let source = include_str!("templates/style.css");
        let block = source.split(":root {").nth(theme + 1).unwrap().split('}').next().unwrap();
        let mut out: Vec<String> = block
            .split(';')
            .filter_map(|it| it.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|it| it.0.ends_with("ground") || ["--card", "--well"].contains(&it.0))
            .filter(|it| it.0 != "--calm-ground")
            .map(|it| if it.1 == "#fff" { "#ffffff".to_owned() } else { it.1.to_owned() })
            .collect();
        out.sort();
        out.dedup();
        out
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        for (at, theme) in [LIGHT, DARK].iter().enumerate() {
            let mut known: Vec<_> =
                theme.others.iter().chain([&theme.card]).map(|it| (*it).to_owned()).collect();
            known.sort();
            assert_eq!(known, grounds_of_style_sheet(at));
        }
    }

    fn is_readable(accent: Color) {
        for theme in [LIGHT, DARK] {
            let ThemeColors { button, text_on_button, hovered_button, link, tinted_ground } =
                theme.colors(accent);
            let card = color(theme.card);
            assert!(button.contrast(card) >= MIN_SHAPE_CONTRAST, "{accent}: {button} on {card}");
            for it in [button, hovered_button] {
                assert!(text_on_button.contrast(it) >= MIN_TEXT_CONTRAST, "{accent}: text on {it}");
            }
            let others = theme.others.iter().map(|it| color(it));
            for it in others.chain([card, tinted_ground]) {
                assert!(link.contrast(it) >= MIN_TEXT_CONTRAST, "{accent}: {link} on {it}");
            }
        }
    }

    #[test]
    fn with_every_accent_everything_can_be_read_in_light_and_dark() {
        for red in (0..=255).step_by(17) {
            for green in (0..=255).step_by(17) {
                for blue in (0..=255).step_by(17) {
                    is_readable(color(&format!("#{red:02x}{green:02x}{blue:02x}")));
                }
            }
        }
    }

    #[test]
    fn an_accent_stays_as_it_is_where_it_can_be_seen() {
        // The accent, then the button and its text in light and in dark.
        for (accent, light, dark) in [
            ("#d81b60", ("#d81b60", "#ffffff"), ("#d81b60", "#ffffff")),
            ("#1e88e5", ("#1e88e5", "#000000"), ("#1e88e5", "#000000")),
            ("#0b6b3a", ("#0b6b3a", "#ffffff"), ("#1c7548", "#ffffff")),
            ("#ffd400", ("#b09200", "#000000"), ("#ffd400", "#000000")),
            ("#ffffff", ("#949494", "#000000"), ("#ffffff", "#000000")),
            ("#000000", ("#000000", "#ffffff"), ("#666666", "#ffffff")),
        ] {
            for (theme, (button, text)) in [(LIGHT, light), (DARK, dark)] {
                let found = theme.colors(color(accent));
                let found = (found.button, found.text_on_button);
                assert_eq!(found, (color(button), color(text)), "{accent} on {}", theme.card);
            }
        }
    }

    #[test]
    fn without_a_section_there_is_no_brand() {
        let brand = Brand::new(&PagesConfig::default(), "/oauth2");
        assert!(brand.style().is_empty() && brand.logo().is_none());
        let context = brand.context();
        for name in ["name", "logo", "support"] {
            assert!(context.get_attr(name).unwrap().is_none(), "{name}");
        }
    }
}
