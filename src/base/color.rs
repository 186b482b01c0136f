//! Colors of pages, and how well they can be told apart (WCAG 2.2, relative luminance and contrast
//! ratio).

use std::fmt;

/// A color of the sRGB space, with one byte for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    /// Black.
    pub const BLACK: Self = Self { red: 0, green: 0, blue: 0 };
    /// White.
    pub const WHITE: Self = Self { red: 255, green: 255, blue: 255 };

    /// Parses `#rrggbb`, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|it| it.len() == 6)?;
        if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return None;
        }
        let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self { red: channel(0)?, green: channel(2)?, blue: channel(4)? })
    }

    /// The contrast ratio with another color, from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The lowest contrast with any of these colors.
    pub fn lowest_contrast(self, others: &[Self]) -> f64 {
        others.iter().map(|it| self.contrast(*it)).fold(f64::INFINITY, f64::min)
    }

    /// Mixes the color with `percent` of another one; more than 100 counts as 100.
    #[must_use]
    pub fn mixed(self, other: Self, percent: u8) -> Self {
        let share = u16::from(percent.min(100));
        let channel = |one: u8, two: u8| {
            let sum = u16::from(one) * (100 - share) + u16::from(two) * share + 50;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self {
            red: channel(self.red, other.red),
            green: channel(self.green, other.green),
            blue: channel(self.blue, other.blue),
        }
    }

    /// Moves the color towards black or white, no further than needed, until its contrast with each
    /// of these colors is at least `ratio`. If even `pole` has less, returns `pole`.
    #[must_use]
    pub fn moved_until(self, pole: Self, ratio: f64, others: &[Self]) -> Self {
        (0..=100)
            .map(|percent| self.mixed(pole, percent))
            .find(|it| it.lowest_contrast(others) >= ratio)
            .unwrap_or(pole)
    }

    /// Black or white, whichever can be read better on this color. One of the two always has a
    /// contrast of at least 4.58: the product of both is 21.
    #[must_use]
    pub fn readable_text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) {
            Self::WHITE
        } else {
            Self::BLACK
        }
    }

    fn luminance(self) -> f64 {
        let channel = |it: u8| {
            let share = f64::from(it) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(self.red) + 0.7152 * channel(self.green) + 0.0722 * channel(self.blue)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        Color::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_color_is_a_sign_and_six_digits() {
        for (text, is_color) in [
            ("#0a7d3c", true),
            ("#0A7D3C", true),
            ("#fff", false),
            ("0a7d3c", false),
            ("#0a7d3c80", false),
            ("#+a7d3c", false),
            ("#0a7d3g", false),
            ("green", false),
            ("#ä7d3c", false),
            ("", false),
        ] {
            assert_eq!(Color::parse(text).is_some(), is_color, "{text}");
        }
        assert_eq!(color("#0A7D3C").to_string(), "#0a7d3c");
    }

    #[test]
    fn the_contrast_is_that_of_wcag() {
        // From the W3C's definition, as other calculators give it, rounded down to two places.
        for (one, two, ratio) in [
            ("#000000", "#ffffff", 21.0),
            ("#777777", "#ffffff", 4.47),
            ("#767676", "#ffffff", 4.54),
            ("#ff0000", "#ffffff", 3.99),
            ("#0000ff", "#ffffff", 8.59),
            ("#123456", "#123456", 1.0),
        ] {
            let found = color(one).contrast(color(two));
            assert!((ratio..ratio + 0.01).contains(&found), "{one} {two}: {found}");
            assert!((found - color(two).contrast(color(one))).abs() < 1e-12);
        }
    }

    #[test]
    fn text_on_any_color_can_be_read() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let it = Color { red, green, blue };
                    assert!(it.contrast(it.readable_text()) >= 4.5, "{it}");
                }
            }
        }
        assert_eq!(color("#2f4bc7").readable_text(), Color::WHITE);
        assert_eq!(color("#ffd400").readable_text(), Color::BLACK);
    }

    #[test]
    fn a_color_moves_no_further_than_it_must() {
        let (ground, yellow) = ([Color::WHITE], color("#ffd400"));
        let moved = yellow.moved_until(Color::BLACK, 4.5, &ground);
        let ratio = moved.contrast(Color::WHITE);
        assert!((4.5..4.8).contains(&ratio), "{moved} {ratio}");
        let blue = color("#2f4bc7");
        assert_eq!(blue.moved_until(Color::BLACK, 4.5, &ground), blue);
        assert_eq!(Color::WHITE.moved_until(Color::WHITE, 4.5, &ground), Color::WHITE);
    }
}
