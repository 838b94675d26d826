//! Schemas that the wire structs' types can't say: what a merge patch may send, what may be null and
//! names another schema, and unions as client generators like them best.

use serde_json::{Map, Value, json};

/// The schemas of a document, by name.
pub(super) type Schemas = Map<String, Value>;

/// Bodies that are merge patches of something: their members are those of it, and each may be null. The
/// operation is where the other schema stands now.
const MERGE_PATCHES: &[(&str, &str, &str)] = &[
    ("Profile", "ProfileChange", "update_profile"),
    ("CreateClientBody", "ClientChange", "update_client"),
];

/// Parts of merge patches.
const PARTS_OF_PATCHES: &[(&str, &str)] = &[
    ("PostalAddress", "PostalAddressChange"),
    ("Branding", "BrandingChange"),
    ("Role", "RoleChange"),
    ("TokenClaims", "TokenClaimsChange"),
];

/// Bodies whose members may all be null, for null is the same as nothing there.
const NULL_IS_NOTHING: &[&str] = &["CreateClientBody", "ClientMetadata", "ClientReplacement"];

/// Members of users, which come flattened out of their profile.
const USERS_WRITTEN: &[&str] = &["CreateUserBody", "UserChange"];
/// Those of them that always have a value.
const NEVER_NULL: &[(&str, &str)] = &[("UserChange", "email"), ("UserChange", "name")];

/// Makes the schemas what they have to be.
pub(super) fn shape(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        // The name once more: a few generators would take it for another.
        schema.remove("title");
    }
    unite(schemas);
    replacement_of_a_registration(schemas);
    for (of, name) in PARTS_OF_PATCHES {
        let patch = patch_of(schemas, of);
        schemas.insert((*name).to_owned(), patch);
    }
    for (of, name, _) in MERGE_PATCHES {
        let patch = patch_of(schemas, of);
        schemas.insert((*name).to_owned(), patch);
    }
    for name in NULL_IS_NOTHING.iter().chain(USERS_WRITTEN) {
        let nullable = patch_of(schemas, name);
        schemas[*name]["properties"] = nullable["properties"].clone();
    }
    parts_change_alone(schemas);
    describe_settings(schemas);
    let types: Vec<_> = schemas
        .iter()
        .map(|(name, schema)| (name.clone(), schema["type"].clone()))
        .collect();
    let type_of = |reference: &str| {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let found = types.iter().find(|(known, _)| known == name);
        found.map_or_else(|| json!("object"), |(_, kind)| kind.clone())
    };
    for schema in schemas.values_mut() {
        null_references(schema, &type_of);
    }
    point_at_patches(document);
    let bodies = super::operations(document).flat_map(|(_, operation)| bodies_of(operation));
    bodies.for_each(lines);
}

/// What an operation takes and answers: its media types, each with their schemas.
fn bodies_of(operation: &mut Value) -> impl Iterator<Item = &mut Value> {
    let (mut request, mut responses) = (None, None);
    for (name, part) in operation.as_object_mut().into_iter().flatten() {
        match name.as_str() {
            "requestBody" => request = Some(part),
            "responses" => responses = part.as_object_mut(),
            _ => {}
        }
    }
    let responses = responses.into_iter().flat_map(Map::values_mut);
    request
        .into_iter()
        .chain(responses)
        .filter_map(|part| part.get_mut("content"))
}

/// Lines are no JSON value: to clients that are generated they are bytes. What each line is has a schema and
/// so a type, under the name that OpenAPI 3.2 gives it, `itemSchema`.
fn lines(content: &mut Value) {
    if let Some(media) = content.get_mut("application/x-ndjson") {
        media["x-item-schema"] = media["schema"].take();
        media["schema"] = json!({ "type": "string", "format": "binary" });
    }
}

/// A union whose members carry the word that tells them apart, instead of a class around each.
fn unite(schemas: &mut Schemas) {
    for (part, word) in [("CookieSession", "cookie"), ("TokenSession", "body")] {
        schemas.remove(&format!("SignedInView_{part}"));
        let Some(schema) = schemas.get_mut(part) else {
            continue;
        };
        schema["properties"]["delivery"] = json!({
            "type": "string",
            "description": "How the tokens were delivered.",
            "enum": [word],
        });
        if let Some(required) = schema["required"].as_array_mut() {
            required.push(json!("delivery"));
        }
        schema["example"]["delivery"] = json!(word);
    }
    let at = |part: &str| format!("#/components/schemas/{part}");
    let Some(mut union) = schemas.remove("SignedInView") else {
        return;
    };
    union["oneOf"] = json!([{ "$ref": at("CookieSession") }, { "$ref": at("TokenSession") }]);
    union["discriminator"] = json!({
        "propertyName": "delivery",
        "mapping": { "cookie": at("CookieSession"), "body": at("TokenSession") },
    });
    if let Some(union) = union.as_object_mut() {
        union.remove("type");
    }
    schemas.insert("SignedIn".to_owned(), union);
}

/// RFC 7592 §2.2: whoever replaces its metadata repeats who it is.
fn replacement_of_a_registration(schemas: &mut Schemas) {
    let mut schema = schemas["ClientMetadata"].clone();
    schema["description"] =
        json!("What a client registers anew. Members that are missing get their defaults.");
    schema["properties"]["client_id"] =
        json!({ "type": "string", "maxLength": 64, "description": "The client's own id." });
    schema["properties"]["client_secret"] = json!({
        "type": "string",
        "maxLength": 1024,
        "description": "The client's own secret, if it sends one. It can't be chosen.",
    });
    schema["required"] = json!(["client_id"]);
    schema["example"]["client_id"] = json!("c_1Vf3o0m4l2qXWc0u7Yk9");
    schemas.insert("ClientReplacement".to_owned(), schema);
}

/// A schema all of whose members may be missing, or null.
fn patch_of(schemas: &Schemas, of: &str) -> Value {
    let of_patch = |(name, _): &(&str, &str)| *name == of;
    let is_patch = PARTS_OF_PATCHES.iter().any(of_patch);
    let mut schema = schemas.get(of).cloned().unwrap_or_default();
    let required = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("required"));
    let required = required.and_then(|names| names.as_array().cloned());
    let required = required.unwrap_or_default();
    for (name, member) in members(&mut schema) {
        let needed = required.contains(&json!(name)) && !is_patch;
        if !needed && !NEVER_NULL.contains(&(of, name.as_str())) {
            make_nullable(member);
        }
    }
    let was = schema["description"].as_str().unwrap_or_default();
    schema["description"] = json!(format!(
        "{was} Only the members that change; null removes one."
    ));
    schema
}

fn members(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let members = schema.get_mut("properties").and_then(Value::as_object_mut);
    members.into_iter().flatten()
}

fn make_nullable(member: &mut Value) {
    if let Some(reference) = member
        .as_object_mut()
        .and_then(|member| member.remove("$ref"))
    {
        member["allOf"] = json!([{ "$ref": reference }]);
    }
    member["nullable"] = json!(true);
}

/// What a setting is stands where it is read.
fn describe_settings(schemas: &mut Schemas) {
    let read = schemas["Settings"]["properties"].clone();
    for (name, member) in members(&mut schemas["SettingsChange"]) {
        if let Some(description) = read[name].get("description") {
            member["description"] = description.clone();
        }
    }
}

/// Where a part of something is changed, it is changed member by member too.
fn parts_change_alone(schemas: &mut Schemas) {
    for (schema, member, part) in [
        ("ProfileChange", "address", "PostalAddressChange"),
        ("UserChange", "address", "PostalAddressChange"),
        ("SettingsChange", "branding", "BrandingChange"),
        ("SettingsChange", "claims", "TokenClaimsChange"),
    ] {
        schemas[schema]["properties"][member]["allOf"] =
            json!([{ "$ref": format!("#/components/schemas/{part}") }]);
    }
    schemas["SettingsChange"]["properties"]["roles"]["additionalProperties"] =
        json!({ "allOf": [{ "$ref": "#/components/schemas/RoleChange" }], "nullable": true });
}

/// `nullable` beside a reference counts only with a `type` (OpenAPI 3.0.3), and once.
fn null_references(schema: &mut Value, type_of: &impl Fn(&str) -> Value) {
    match schema {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|one| null_references(one, type_of)),
        Value::Object(members) => {
            let nullable = members.get("nullable") == Some(&json!(true));
            if nullable && let Some(Value::Array(parts)) = members.get_mut("allOf") {
                parts.retain(|part| part.get("$ref").is_some());
                let reference = parts.first().and_then(|part| part["$ref"].as_str());
                let kind = type_of(reference.unwrap_or_default());
                members.insert("type".to_owned(), kind);
            }
            for member in members.values_mut() {
                null_references(member, type_of);
            }
        }
        _ => {}
    }
}

/// Lets the operations take the patches.
fn point_at_patches(document: &mut Value) {
    let bodies = MERGE_PATCHES
        .iter()
        .map(|(_, name, operation)| (*operation, *name))
        .chain([("replace_registration", "ClientReplacement")]);
    for (operation, name) in bodies {
        let found = super::operations(document).find(|(_, one)| one["operationId"] == operation);
        if let Some((_, operation)) = found {
            operation["requestBody"]["content"]["application/json"]["schema"] =
                json!({ "$ref": format!("#/components/schemas/{name}") });
        }
    }
    super::rename_references(document, "SignedInView", "SignedIn");
}
