//! What members are whose names say it to those who know the specifications, for everybody else.

use serde_json::{Value, json};

/// Members and what they are, wherever nothing more exact is said.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("accepted_at", "When it was accepted; null: it was not."),
    ("claims", "What tokens say of users, besides who they are."),
    ("invitation_id", "The invitation's id."),
    ("revoked_at", "When it was revoked; null: it was not."),
    ("expires_at", "When it ends; null: never."),
    ("acr", "The authentication context class that was reached."),
    (
        "acr_values_supported",
        "Authentication context classes that may be asked for.",
    ),
    ("address", "Where the user lives."),
    (
        "amr",
        "How the user proved who they are (RFC 8176), such as `pwd`.",
    ),
    (
        "authorization_endpoint",
        "Where applications send a user's browser.",
    ),
    (
        "avatar_url",
        "An http or https address of a picture; null: there is none.",
    ),
    (
        "backchannel_logout_session_required",
        "Logout tokens have to have `sid`.",
    ),
    ("branding", "How the tenant's pages look."),
    (
        "claim_types_supported",
        "How claims are told: all are `normal`.",
    ),
    ("client_id", "The client's id."),
    ("client_name", "What the client is called."),
    ("client_uri", "A page about the client."),
    ("consent_id", "The consent's id."),
    (
        "contacts",
        "Whom to ask about the client, as a rule by email.",
    ),
    ("country", "The country's name."),
    ("created", "How many were made."),
    ("created_at", "When it was made, in UTC (RFC 3339)."),
    (
        "default_acr_values",
        "Authentication context classes to ask for when a request names none.",
    ),
    (
        "display_values_supported",
        "Ways of display that may be asked for.",
    ),
    ("email", "The email address, in canonical form."),
    (
        "email_verified",
        "Whether the user has proved to read mail sent there.",
    ),
    (
        "external_id",
        "The id by which another system knows the user.",
    ),
    ("failed", "How many were not taken."),
    ("family_name", "The surname."),
    (
        "formatted",
        "The whole address, as it is written on a letter.",
    ),
    ("gender", "The gender, in the user's own words."),
    ("given_name", "The first name."),
    ("grant_id", "The grant's id."),
    (
        "grant_types_supported",
        "Grants that the token endpoint takes.",
    ),
    ("id", "The id. It never changes."),
    (
        "id_token_signing_alg_values_supported",
        "How ID tokens may be signed.",
    ),
    (
        "initiate_login_uri",
        "Where others may send a user to begin a sign-in with the client.",
    ),
    (
        "introspection_endpoint_auth_methods_supported",
        "How clients authenticate there.",
    ),
    (
        "introspection_endpoint_auth_signing_alg_values_supported",
        "How client assertions may be signed there.",
    ),
    ("iss", "The tenant's issuer."),
    ("items", "The items of this page, in order."),
    ("jti", "The token's id."),
    ("keys", "The public keys."),
    ("locale", "Language and region, such as `en-GB`."),
    ("locality", "The town."),
    ("logo_uri", "A picture of the client for the consent page."),
    ("middle_name", "Further first names."),
    ("name", "The whole name."),
    ("nickname", "What friends say."),
    ("phone_number", "E.164, such as `+441632960961`."),
    (
        "phone_number_verified",
        "Whether the user has proved to answer there.",
    ),
    ("picture", "An address of a picture."),
    (
        "policy_uri",
        "How the client treats what it learns of users.",
    ),
    ("postal_code", "The postal code."),
    (
        "preferred_username",
        "The name by which the user likes to be called; not unique.",
    ),
    ("profile", "The address of a page about the user."),
    (
        "prompt_values_supported",
        "Values of `prompt` that have an effect.",
    ),
    ("region", "The county or state."),
    (
        "request_parameter_supported",
        "Whether requests may be JWTs (OIDC Core §6).",
    ),
    (
        "require_auth_time",
        "ID tokens of the client always have `auth_time`.",
    ),
    (
        "response_modes_supported",
        "Ways by which answers get back.",
    ),
    (
        "response_types_supported",
        "Answers of the authorization endpoint.",
    ),
    (
        "revocation_endpoint_auth_methods_supported",
        "How clients authenticate there.",
    ),
    (
        "revocation_endpoint_auth_signing_alg_values_supported",
        "How client assertions may be signed there.",
    ),
    ("scope", "What was granted, with spaces between."),
    ("seconds", "How long it took."),
    (
        "sector_identifier_uri",
        "Whose host is the sector of pairwise subjects.",
    ),
    ("session_id", "The session: the `sid` of its tokens."),
    (
        "software_id",
        "An id of the software that is the same in all its installations.",
    ),
    ("software_version", "The version of the software."),
    ("state", "The state from now on."),
    ("street_address", "Street and number, in lines."),
    (
        "sub",
        "The user, as this client knows it; a client's own id for its own tokens.",
    ),
    ("token_endpoint", "Where clients get tokens."),
    (
        "token_endpoint_auth_methods_supported",
        "How clients authenticate there.",
    ),
    ("tos_uri", "The client's terms of service."),
    ("ui_locales_supported", "Languages of the hosted pages."),
    ("unchanged", "How many were so already."),
    ("updated", "How many were changed."),
    ("updated_at", "When it was changed last, in UTC (RFC 3339)."),
    ("user_id", "The user: the `sub` of its tokens."),
    ("userinfo_endpoint", "Where claims about the user are told."),
    (
        "userinfo_signing_alg_values_supported",
        "How user info may be signed.",
    ),
    ("users_per_second", "How fast it went."),
    ("website", "The address of the user's own pages."),
    ("zoneinfo", "The time zone, such as `Europe/London`."),
];

/// Describes what no schema describes itself.
pub(super) fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut();
    for schema in schemas.into_iter().flat_map(serde_json::Map::values_mut) {
        let members = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, member) in members.into_iter().flatten() {
            // What is said beside a reference is not read in OpenAPI 3.0.
            if member.get("description").is_some() || member.get("$ref").is_some() {
                continue;
            }
            if let Some((_, text)) = DESCRIPTIONS.iter().find(|(known, _)| known == name) {
                member["description"] = json!(text);
            }
        }
    }
}
