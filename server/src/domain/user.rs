//! A tenant's users.

use url::Url;

use super::{
    email::EmailAddress, id::UserId, profile::Profile, role::RoleName, timestamp::Timestamp,
};

/// A user of one tenant, without its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub name: DisplayName,
    pub email: EmailAddress,
    pub email_verified: bool,
    pub avatar_url: Option<AvatarUrl>,
    pub profile: Profile,
    pub state: UserState,
    /// The id that another system knows the user by; unique within the tenant.
    pub external_id: Option<ExternalId>,
    /// In order of name, each once.
    pub roles: Vec<RoleName>,
    /// Sign-ins from before this point count no more.
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whether a user may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserState {
    #[default]
    Active,
    /// Nobody signs in as this user, and nothing that it granted counts.
    Disabled,
}

impl UserState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// An id that another system gave a user: 1 to 255 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId(String);

/// Why a text is no [`ExternalId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 characters and no control characters")]
pub struct NotAnExternalId;

impl ExternalId {
    /// Reads an id. Nothing is folded or trimmed: it is compared as the other system wrote it.
    pub fn parse(text: &str) -> Result<Self, NotAnExternalId> {
        if (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnExternalId)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a user wants to be called: 1 to 200 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is no [`DisplayName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 200 characters, not only spaces, and no control characters")]
pub struct NotADisplayName;

impl DisplayName {
    /// Reads a name; spaces around it are dropped.
    pub fn parse(text: &str) -> Result<Self, NotADisplayName> {
        let text = text.trim();
        let fits = (1..=200).contains(&text.chars().count());
        // A NUL would be refused by Postgres; line breaks would forge lines in mails and logs, and
        // marks that turn the direction of writing would make a name look like another.
        let hidden = |c: char| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if !fits || text.chars().any(hidden) {
            return Err(NotADisplayName);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        name.0
    }
}

/// Where a picture of the user is: an absolute http or https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvatarUrl(String);

/// Why a text is no [`AvatarUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an absolute http or https URL of at most 2048 characters without user name or password"
)]
pub struct NotAnAvatarUrl;

/// The longest URL of a picture.
const MAX_AVATAR_URL: usize = 2048;

impl AvatarUrl {
    /// Reads a URL. Other schemes are refused: the value ends up in pages and claims, where
    /// `javascript:` and `data:` would run.
    pub fn parse(text: &str) -> Result<Self, NotAnAvatarUrl> {
        if text.len() > MAX_AVATAR_URL || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(NotAnAvatarUrl);
        }
        let url = Url::parse(text).map_err(|_| NotAnAvatarUrl)?;
        // Its canonical form may be longer: a slash, and three characters for a byte that is not ASCII.
        // What is stored is read by this function again.
        let plain = url.as_str().len() <= MAX_AVATAR_URL
            && matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none();
        if plain {
            Ok(Self(url.into()))
        } else {
            Err(NotAnAvatarUrl)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
pub mod tests_support {
    use super::*;

    /// A user without anything special.
    pub fn user() -> User {
        let at = Timestamp::from_micros(1_000_000);
        User {
            id: UserId::new(at, [1; 10]),
            name: DisplayName::parse("Ada Lovelace").expect("a name"),
            email: EmailAddress::parse("ada@example.com").expect("an address"),
            email_verified: false,
            avatar_url: None,
            profile: Profile::default(),
            state: UserState::Active,
            external_id: None,
            roles: Vec::new(),
            not_before: None,
            created_at: at,
            updated_at: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(
            DisplayName::parse("  Ada Lovelace ")
                .expect("a name")
                .as_str(),
            "Ada Lovelace"
        );
        for text in ["", "   ", "a\0b", "a\nb", "a\u{202e}b", &"x".repeat(201)] {
            assert_eq!(DisplayName::parse(text), Err(NotADisplayName), "{text:?}");
        }
    }

    #[test]
    fn only_web_addresses_are_avatars() {
        assert!(AvatarUrl::parse("https://example.com/ada.png").is_ok());
        for text in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AA==",
            "file:///etc/passwd",
            "/ada.png",
            "https://",
            "https://a:b@example.com/",
            " https://example.com/",
            "java\nscript:x",
        ] {
            assert_eq!(AvatarUrl::parse(text), Err(NotAnAvatarUrl), "{text:?}");
        }
    }

    /// One address that can't be read again, and nobody could list the tenant's users any more.
    #[test]
    fn every_avatar_that_is_taken_can_be_read_again() {
        let long = |end: &str, count: usize| format!("https://example.com{}", end.repeat(count));
        for text in [
            long("/a", 1014),
            long("/ü", 280),
            "https://example.com".to_owned(),
        ] {
            let taken = AvatarUrl::parse(&text).expect("short enough");
            assert_eq!(AvatarUrl::parse(taken.as_str()), Ok(taken), "{text}");
        }
        let host = format!("https://{}example.com", "a.".repeat(1014));
        assert_eq!(host.len(), 2047);
        for text in [long("/ü", 300), format!("{host}a")] {
            assert!(text.len() <= MAX_AVATAR_URL);
            assert_eq!(AvatarUrl::parse(&text), Err(NotAnAvatarUrl), "{text}");
        }
    }
}
