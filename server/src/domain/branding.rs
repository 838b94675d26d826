//! How a tenant's pages look.

use serde::{Deserialize, Serialize};

/// A colour, `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Accent([u8; 3]);

/// Why a text is no [`Accent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a colour such as #2f5bd8")]
pub struct NotAnAccent;

impl Accent {
    pub fn parse(text: &str) -> Result<Self, NotAnAccent> {
        let digits = text.strip_prefix('#').ok_or(NotAnAccent)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAnAccent);
        }
        let part = |n: usize| u8::from_str_radix(&digits[n..n + 2], 16).map_err(|_| NotAnAccent);
        Ok(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// `#rrggbb`, in lower case.
    pub fn css(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// The text colour that is read best on it: one of black and white always has a contrast of at
    /// least 4.5 (WCAG 2.2 §1.4.3).
    pub fn text_css(self) -> &'static str {
        let light = self.luminance();
        let (on_white, on_black) = (1.05 / (light + 0.05), (light + 0.05) / 0.05);
        if on_white >= on_black {
            "#ffffff"
        } else {
            "#000000"
        }
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        let [r, g, b] = self.0;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> Self {
        accent.css()
    }
}

impl TryFrom<String> for Accent {
    type Error = NotAnAccent;

    fn try_from(text: String) -> Result<Self, NotAnAccent> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_colour_is_a_colour() {
        assert_eq!(
            Accent::parse("#2F5bd8").map(Accent::css),
            Ok("#2f5bd8".to_owned())
        );
        for text in [
            "2f5bd8",
            "#2f5bd",
            "#2f5bd8;",
            "#2f5bg8",
            "red",
            "",
            "#\u{e9}5bd8",
        ] {
            assert_eq!(Accent::parse(text), Err(NotAnAccent), "{text}");
        }
    }

    #[test]
    fn text_on_any_colour_can_be_read() {
        for step in 0..=0xff_u8 {
            for accent in [
                Accent([step, step, step]),
                Accent([step, 0, 0]),
                Accent([0, step, 255]),
            ] {
                let light = accent.luminance();
                let contrast = match accent.text_css() {
                    "#ffffff" => 1.05 / (light + 0.05),
                    _ => (light + 0.05) / 0.05,
                };
                assert!(contrast >= 4.5, "{accent:?} {contrast}");
            }
        }
    }
}
