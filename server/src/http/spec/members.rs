//! Formats, bounds and words of members: what a string or a number has to be, said once for all schemas
//! that have a member of that name.

use serde_json::{Map, Value, json};

use crate::domain::policy_patch;

/// Members that are addresses, besides those that end in `_uri`, `_url` or `_endpoint`.
const URIS: &[&str] = &["issuer", "iss", "picture", "website", "profile", "instance"];
/// Lists of addresses.
const LISTS_OF_URIS: &[&str] = &[
    "redirect_uris",
    "post_logout_redirect_uris",
    "resources",
    "resource",
    "allowed_origins",
];
/// The longest address that is read.
const MAX_URI: u32 = 2048;

/// Schemas that are read, where lengths are bounded by what validation lets through.
const READ: &[&str] = &[
    "ClientChange",
    "ClientMetadata",
    "ClientReplacement",
    "CreateClientBody",
    "CreateUserBody",
    "PostalAddressChange",
    "ProfileChange",
    "SettingsChange",
    "UserChange",
];

/// Lines that users write about themselves.
const LINES: &[&str] = &[
    "country",
    "family_name",
    "formatted",
    "gender",
    "given_name",
    "locale",
    "locality",
    "middle_name",
    "nickname",
    "postal_code",
    "preferred_username",
    "region",
    "street_address",
    "zoneinfo",
];

/// Members of clients that are one of a few words, and will stay so.
const WORDS: &[(&str, &str)] = &[
    ("application_type", "ApplicationType"),
    ("subject_type", "SubjectType"),
    ("introspection", "IntrospectionPolicy"),
    ("registration", "RegistrationPolicy"),
    ("signup", "SignupPolicy"),
    ("access_token_alg", "SigningAlgorithm"),
    ("id_token_signed_response_alg", "SigningAlgorithm"),
    ("userinfo_signed_response_alg", "SigningAlgorithm"),
];

/// Words that registries may add to: known ones are told, others may come with a later version. A closed
/// enumeration would make each of them a breaking change.
const OPEN_WORDS: &[(&str, &[&str])] = &[
    (
        "token_endpoint_auth_method",
        &[
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
    ),
    (
        "grant_types",
        &["authorization_code", "refresh_token", "client_credentials"],
    ),
    (
        "grant_type",
        &["authorization_code", "refresh_token", "client_credentials"],
    ),
    ("response_types", &["code"]),
    ("token_type", &["Bearer"]),
    (
        "error",
        &[
            "access_denied",
            "insufficient_scope",
            "invalid_client",
            "invalid_client_metadata",
            "invalid_grant",
            "invalid_redirect_uri",
            "invalid_request",
            "invalid_scope",
            "invalid_target",
            "invalid_token",
            "server_error",
            "temporarily_unavailable",
            "unauthorized_client",
            "unsupported_grant_type",
        ],
    ),
    ("kty", &["EC", "OKP", "RSA"]),
    ("use", &["sig"]),
    ("crv", &["P-256", "Ed25519"]),
];

/// Members of answers that are there in each of them.
const ALWAYS_THERE: &[(&str, &[&str])] = &[
    ("TokenClaims", &["access_token", "id_token"]),
    (
        "ClientInformation",
        &[
            "client_name",
            "redirect_uris",
            "post_logout_redirect_uris",
            "token_endpoint_auth_method",
            "grant_types",
            "response_types",
            "scope",
            "application_type",
            "contacts",
            "subject_type",
            "id_token_signed_response_alg",
            "require_auth_time",
            "default_acr_values",
            "backchannel_logout_session_required",
            "require_pkce",
            "resources",
            "introspection",
        ],
    ),
];

/// Members that are sent and never answered. (The derive's own attribute would also leave them out
/// of the examples.) Those that have to be sent are not among them: oapi-codegen makes a pointer of
/// each, as if it could be left out.
const WRITE_ONLY: &[(&str, &str)] = &[
    ("LoginBody", "password"),
    ("SignupBody", "password"),
    ("SignupBody", "invitation"),
    ("RefreshTokenBody", "refresh_token"),
    ("CreateUserBody", "password"),
    ("CreateUserBody", "password_hash"),
    ("TokenForm", "client_secret"),
    ("RevocationForm", "client_secret"),
    ("IntrospectionForm", "client_secret"),
];

/// Says of all members what they have to be.
pub(super) fn say(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    add_words(schemas);
    for (name, schema) in schemas.iter_mut() {
        let read = READ.contains(&name.as_str());
        let members = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (member, schema) in members.into_iter().flatten() {
            address(member, schema, read);
            word(member, schema);
            if member == "email" {
                // Not `email`: validators that are made of it refuse addresses that we take.
                schema["format"] = json!("idn-email");
            }
            if read {
                bounds(name, member, schema);
            }
            number(member, schema);
        }
    }
    schemas["AuditEvent"]["properties"]["request_id"]["format"] = json!("uuid");
    // Other things have a type that is no address, such as records of the DNS.
    schemas["Problem"]["properties"]["type"]["format"] = json!("uri");
    for (schema, members) in ALWAYS_THERE {
        let required = &mut schemas[*schema]["required"];
        let mut all = required.as_array().cloned().unwrap_or_default();
        all.extend(members.iter().map(|member| json!(member)));
        *required = Value::Array(all);
    }
    for (schema, member) in WRITE_ONLY {
        schemas[*schema]["properties"][member]["writeOnly"] = json!(true);
    }
    keys_of_clients(schemas);
    for (schema, member, words) in [
        ("SigningKey", "alg", "SigningAlgorithm"),
        ("SigningKey", "state", "SigningKeyState"),
    ] {
        refer(&mut schemas[schema]["properties"][member], words);
    }
}

fn add_words(schemas: &mut Map<String, Value>) {
    for (name, description, words) in [
        (
            "ApplicationType",
            "Where a client runs: on a server, or on its user's device.",
            &["web", "native"][..],
        ),
        (
            "SubjectType",
            "Whether all clients know a user by the same `sub`, or each sector by its own.",
            &["public", "pairwise"],
        ),
        (
            "IntrospectionPolicy",
            "Whose tokens a client may introspect: its own and those for it, or all of the tenant.",
            &["own", "tenant"],
        ),
        (
            "SignupPolicy",
            "Who may sign up: anyone, whoever was invited, or nobody.",
            &["open", "invitation", "closed"],
        ),
        (
            "RegistrationPolicy",
            "Who may register clients.",
            &["off", "initial_access_token", "open"],
        ),
    ] {
        let schema = json!({ "type": "string", "description": description, "enum": words });
        schemas.insert(name.to_owned(), schema);
    }
}

fn address(name: &str, schema: &mut Value, read: bool) {
    let one = ["_uri", "_url", "_endpoint"]
        .iter()
        .any(|end| name.ends_with(end));
    if (one || URIS.contains(&name)) && schema["type"] == "string" {
        schema["format"] = json!("uri");
        if read && schema.get("maxLength").is_none() {
            schema["maxLength"] = json!(MAX_URI);
        }
    } else if LISTS_OF_URIS.contains(&name) && schema["type"] == "array" {
        schema["items"]["format"] = json!("uri");
    }
}

fn word(name: &str, schema: &mut Value) {
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name)
        && schema["type"] == "string"
    {
        refer(schema, words);
    }
    if let Some((_, words)) = OPEN_WORDS.iter().find(|(known, _)| *known == name) {
        let of = match schema["type"].as_str() {
            Some("array") => &mut schema["items"],
            Some("string") if schema.get("enum").is_none() => schema,
            _ => return,
        };
        of["x-extensible-enum"] = json!(words);
    }
}

/// Replaces a member's type by a reference, and keeps what is said about it.
fn refer(schema: &mut Value, name: &str) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if members.get("nullable") != Some(&json!(true)) {
        members.remove("type");
    }
    let reference = json!([{ "$ref": format!("#/components/schemas/{name}") }]);
    members.insert("allOf".to_owned(), reference);
}

/// What validation lets through.
fn bounds(schema_name: &str, name: &str, schema: &mut Value) {
    if LINES.contains(&name) {
        (schema["minLength"], schema["maxLength"]) = (json!(1), json!(200));
    }
    let of_settings = schema_name == "SettingsChange";
    let most_items = match name {
        "allowed_origins" | "resources" | "registration_scopes" if of_settings => 100,
        "roles" if schema["type"] == "array" => 50,
        _ => 50,
    };
    if schema["type"] == "array" {
        schema["maxItems"] = json!(most_items);
    }
    match name {
        "software_id" | "software_version" => schema["maxLength"] = json!(255),
        "scope" => schema["maxLength"] = json!(2000),
        "phone_number" => schema["pattern"] = json!("^\\+[0-9 ()-]+(;ext=[0-9]{1,10})?$"),
        "birthdate" => schema["pattern"] = json!("^[0-9]{4}(-[0-9]{2}-[0-9]{2})?$"),
        _ => {}
    }
}

/// Numbers in formats that OpenAPI knows, with what they may be.
fn number(name: &str, schema: &mut Value) {
    if schema["type"] != "integer" {
        return;
    }
    if schema["format"] == "uint32" {
        schema["format"] = json!("int32");
        schema["minimum"] = json!(0);
    }
    if let Some((_, least, most)) = policy_patch::RANGES
        .iter()
        .find(|(known, ..)| *known == name)
    {
        (schema["minimum"], schema["maximum"]) = (json!(least), json!(most));
    }
    match name {
        "data_keys" => schema["maximum"] = json!(1_000),
        "default_max_age" => {
            (schema["minimum"], schema["maximum"]) = (json!(0), json!(u32::MAX));
        }
        "line" => schema["minimum"] = json!(1),
        _ if schema.get("minimum").is_none() => schema["minimum"] = json!(0),
        _ => {}
    }
}

/// Keys that clients register: their members are those of RFC 7517, and none is left out that isn't known
/// here.
fn keys_of_clients(schemas: &mut Map<String, Value>) {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let key = json!({
        "type": "object",
        "description": "A client's public key (RFC 7517 §4). It may have more members than these.",
        "required": ["kty"],
        "properties": {
            "kty": text("The key type: `EC`, `OKP` or `RSA`."),
            "kid": text("The key's id, as the client's JWTs name it."),
            "use": text("What the key is for: `sig`."),
            "alg": text("The only algorithm that the key is for."),
            "crv": text("The curve: `P-256` or `Ed25519`."),
            "x": text("The x coordinate, or an Ed25519 key, base64url."),
            "y": text("The y coordinate, base64url."),
            "n": text("The RSA modulus, base64url."),
            "e": text("The RSA exponent, base64url."),
        },
        "additionalProperties": true,
    });
    let set = json!({
        "type": "object",
        "description": "The public keys of a client (RFC 7517 §5).",
        "required": ["keys"],
        "properties": {
            "keys": {
                "type": "array",
                "description": "Public keys only.",
                "items": { "$ref": "#/components/schemas/ClientKey" },
            },
        },
        "additionalProperties": true,
    });
    schemas.insert("ClientKey".to_owned(), key);
    schemas.insert("ClientKeySet".to_owned(), set);
    for schema in schemas.values_mut() {
        let member = schema.pointer_mut("/properties/jwks");
        if let Some(member) = member.filter(|member| member.get("type").is_none()) {
            if member.get("nullable") == Some(&json!(true)) {
                member["type"] = json!("object");
            }
            refer(member, "ClientKeySet");
        }
    }
}
