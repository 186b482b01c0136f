//! The operator's logo: a PNG, or an SVG, recognized by its content.

use bytes::Bytes;
use std::fmt;

/// Maximum size of a logo, in bytes.
pub const MAX_LOGO_BYTES: usize = 64 * 1024;

/// Maximum width and height of a PNG, in pixels: a small file can contain a picture that fills a
/// phone's memory.
const MAX_PNG_PIXELS: u32 = 4096;

/// Maximum number of comments and instructions before the root element of an SVG.
const MAX_PROLOG_PARTS: usize = 64;

const SVG_NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// A picture that browsers show.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    kind: LogoKind,
    bytes: Bytes,
}

/// The format of a logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoKind {
    /// A PNG.
    Png,
    /// An SVG.
    Svg,
}

/// The reason why a file is not a logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLogo {
    /// The file is too large.
    #[error("is larger than 64 KiB")]
    TooLarge,
    /// The file is neither a PNG nor an SVG.
    #[error("is neither a PNG nor an SVG")]
    Format,
    /// The PNG has no size, or a larger one than 4096 x 4096 pixels.
    #[error("is a PNG without a size from 1 x 1 to 4096 x 4096 pixels")]
    Size,
    /// The SVG declares entities.
    #[error("is an SVG with a document type that declares entities")]
    Entities,
    /// The root element is not in the namespace of SVG, so browsers show nothing.
    #[error("is an SVG without xmlns=\"http://www.w3.org/2000/svg\"")]
    Namespace,
}

impl Logo {
    /// Recognizes a picture by its content.
    ///
    /// # Errors
    /// Why it is not a logo.
    pub fn read(bytes: Vec<u8>) -> Result<Self, BadLogo> {
        if bytes.len() > MAX_LOGO_BYTES {
            return Err(BadLogo::TooLarge);
        }
        let kind = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            check_png(&bytes)?;
            LogoKind::Png
        } else {
            check_svg(std::str::from_utf8(&bytes).map_err(|_| BadLogo::Format)?)?;
            LogoKind::Svg
        };
        Ok(Self { kind, bytes: bytes.into() })
    }

    /// The format.
    pub fn kind(&self) -> LogoKind {
        self.kind
    }

    /// The content of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl LogoKind {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Logo({}, {} bytes)", self.kind.media_type(), self.bytes.len())
    }
}

/// Checks the size in the header, which is the first chunk (PNG specification, section 11.2.1).
fn check_png(bytes: &[u8]) -> Result<(), BadLogo> {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        four.try_into().ok().map(u32::from_be_bytes)
    };
    let is_header = bytes.get(12..16) == Some(b"IHDR".as_slice());
    match (number(16), number(20)) {
        (Some(1..=MAX_PNG_PIXELS), Some(1..=MAX_PNG_PIXELS)) if is_header => Ok(()),
        _ => Err(BadLogo::Size),
    }
}

/// Checks that the root element is `svg`, after the parts that may precede it.
fn check_svg(text: &str) -> Result<(), BadLogo> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    for _ in 0..MAX_PROLOG_PARTS {
        let after = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->")
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>")
        } else if let Some(document_type) = rest.strip_prefix("<!DOCTYPE") {
            let parts = document_type.split_once('>');
            if parts.is_some_and(|it| it.0.contains('[')) {
                return Err(BadLogo::Entities);
            }
            parts
        } else {
            return check_root(rest);
        };
        rest = after.ok_or(BadLogo::Format)?.1.trim_start();
    }
    Err(BadLogo::Format)
}

fn check_root(rest: &str) -> Result<(), BadLogo> {
    let root = rest.strip_prefix("<svg").ok_or(BadLogo::Format)?;
    if !root.starts_with(|it: char| it.is_ascii_whitespace() || matches!(it, '>' | '/')) {
        return Err(BadLogo::Format);
    }
    let (attributes, _) = root.split_once('>').ok_or(BadLogo::Format)?;
    let names_it = ['"', '\'']
        .into_iter()
        .any(|quote| attributes.contains(&format!("xmlns={quote}{SVG_NAMESPACE}{quote}")));
    if names_it { Ok(()) } else { Err(BadLogo::Namespace) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"></svg>";

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        out.extend(width.to_be_bytes());
        out.extend(height.to_be_bytes());
        out.extend([8, 6, 0, 0, 0]);
        out
    }

    fn kind(bytes: &[u8]) -> Result<LogoKind, BadLogo> {
        Logo::read(bytes.to_vec()).map(|it| it.kind())
    }

    #[test]
    fn a_png_is_known_by_its_signature_and_its_size_is_bounded() {
        for (width, height, is) in [
            (1, 1, Ok(LogoKind::Png)),
            (4096, 4096, Ok(LogoKind::Png)),
            (0, 9, Err(BadLogo::Size)),
            (4097, 1, Err(BadLogo::Size)),
            (1, u32::MAX, Err(BadLogo::Size)),
        ] {
            assert_eq!(kind(&png(width, height)), is, "{width} x {height}");
        }
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n"), Err(BadLogo::Size));
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT\0\0\0\x01\0\0\0\x01"), Err(BadLogo::Size));
    }

    #[test]
    fn an_svg_is_known_by_its_root_element() {
        let bom = format!("\u{feff}{SVG}");
        let whole = format!(
            "<?xml version=\"1.0\"?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x\">\n{SVG}"
        );
        let many = format!("{}{SVG}", "<!---->".repeat(MAX_PROLOG_PARTS));
        let entities = format!("<!DOCTYPE svg [<!ENTITY a \"b\">]>{SVG}");
        for (text, is) in [
            (SVG, Ok(LogoKind::Svg)),
            (bom.as_str(), Ok(LogoKind::Svg)),
            (whole.as_str(), Ok(LogoKind::Svg)),
            ("<svg\nxmlns='http://www.w3.org/2000/svg'/>", Ok(LogoKind::Svg)),
            (many.as_str(), Err(BadLogo::Format)),
            (entities.as_str(), Err(BadLogo::Entities)),
            ("<svg viewBox=\"0 0 8 8\"/>", Err(BadLogo::Namespace)),
            ("<html><svg xmlns=\"http://www.w3.org/2000/svg\"/></html>", Err(BadLogo::Format)),
            ("<svgx xmlns=\"http://www.w3.org/2000/svg\"/>", Err(BadLogo::Format)),
            ("<svg", Err(BadLogo::Format)),
            ("<!-- <svg", Err(BadLogo::Format)),
            ("GIF89a", Err(BadLogo::Format)),
            ("", Err(BadLogo::Format)),
        ] {
            assert_eq!(kind(text.as_bytes()), is, "{text}");
        }
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Err(BadLogo::Format));
    }

    #[test]
    fn a_logo_is_at_most_64_kib() {
        let padded = |size: usize| [SVG.as_bytes(), &vec![b' '; size - SVG.len()]].concat();
        assert_eq!(kind(&padded(MAX_LOGO_BYTES)), Ok(LogoKind::Svg));
        assert_eq!(kind(&padded(MAX_LOGO_BYTES + 1)), Err(BadLogo::TooLarge));
        let logo = Logo::read(SVG.as_bytes().to_vec()).unwrap();
        assert_eq!(format!("{logo:?}"), format!("Logo(image/svg+xml, {} bytes)", SVG.len()));
    }
}
