//! The standard claims of a user on the wire (OIDC Core §5.1).

use poem_openapi::{Object, types::Example};
use serde::Serialize;

use crate::domain::profile::{Address, Profile};

/// What a user says of itself. A member that is missing is unknown.
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "Profile", example, skip_serializing_if_is_none)]
pub struct ProfileView {
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    /// The address of a page about the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<String>,
    /// `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    birthdate: Option<String>,
    /// Such as `Europe/London`.
    #[serde(skip_serializing_if = "Option::is_none")]
    zoneinfo: Option<String>,
    /// Such as `en-GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// E.164, such as `+441632960961`.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<PostalAddressView>,
}

/// A postal address (OIDC Core §5.1.1).
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "PostalAddress", skip_serializing_if_is_none)]
pub struct PostalAddressView {
    #[serde(skip_serializing_if = "Option::is_none")]
    formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    street_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
}

impl From<Address> for PostalAddressView {
    fn from(address: Address) -> Self {
        Self {
            formatted: address.formatted,
            street_address: address.street_address,
            locality: address.locality,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country,
        }
    }
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            given_name: profile.given_name,
            family_name: profile.family_name,
            middle_name: profile.middle_name,
            nickname: profile.nickname,
            preferred_username: profile.preferred_username,
            profile: profile.profile,
            website: profile.website,
            gender: profile.gender,
            birthdate: profile.birthdate,
            zoneinfo: profile.zoneinfo,
            locale: profile.locale,
            phone_number: profile.phone_number,
            address: profile.address.map(PostalAddressView::from),
        }
    }
}

impl Example for ProfileView {
    fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            given_name: text("Ada"),
            family_name: text("Lovelace"),
            birthdate: text("1815-12-10"),
            locale: text("en-GB"),
            ..Self::default()
        }
    }
}
