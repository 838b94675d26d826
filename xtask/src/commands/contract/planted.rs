//! Changes that break clients, and changes that don't: the comparison has to tell them apart, or it is worth
//! nothing. They are planted into the document of today before the real comparison.

use serde_json::{Value, json};

/// A change, and whether it breaks clients.
pub(super) struct Planted {
    pub(super) what: &'static str,
    pub(super) breaks: bool,
    pub(super) change: fn(&mut Value),
}

const USERS: &str = "/admin/v1/tenants/{tenant}/users";
const LOGIN: &str = "/t/{tenant}/auth/login";

fn schema<'d>(document: &'d mut Value, name: &str) -> &'d mut Value {
    &mut document["components"]["schemas"][name]
}

fn remove(value: &mut Value, member: &str) {
    if let Some(members) = value.as_object_mut() {
        members.remove(member);
    }
}

fn forget(list: &mut Value, word: &str) {
    if let Some(items) = list.as_array_mut() {
        items.retain(|item| item != word);
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// Every kind of change that somebody could make without thinking of clients.
pub(super) const PLANTED: &[Planted] = &[
    Planted {
        what: "nothing",
        breaks: false,
        change: |_| {},
    },
    Planted {
        what: "an operation is removed",
        breaks: true,
        change: |document| remove(&mut document["paths"][USERS], "post"),
    },
    Planted {
        what: "a successful status is another one",
        breaks: true,
        change: |document| {
            let responses = &mut document["paths"][USERS]["post"]["responses"];
            responses["200"] = responses["201"].clone();
            remove(responses, "201");
        },
    },
    Planted {
        what: "a member of an answer is removed",
        breaks: true,
        change: |document| {
            remove(&mut schema(document, "UserInfo")["properties"], "name");
            forget(&mut schema(document, "UserInfo")["required"], "name");
        },
    },
    Planted {
        what: "a member of an answer may be missing",
        breaks: true,
        change: |document| forget(&mut schema(document, "UserInfo")["required"], "email"),
    },
    Planted {
        what: "a member of an answer may be null",
        breaks: true,
        change: |document| {
            schema(document, "UserInfo")["properties"]["email"]["nullable"] = json!(true);
        },
    },
    Planted {
        what: "a member of an answer has another type",
        breaks: true,
        change: |document| {
            schema(document, "TokenResponse")["properties"]["expires_in"]["type"] = json!("string");
        },
    },
    Planted {
        what: "a closed enumeration of an answer has a new word",
        breaks: true,
        change: |document| {
            push(
                &mut schema(document, "TenantState")["enum"],
                json!("moving"),
            );
        },
    },
    Planted {
        what: "a member of a body is needed",
        breaks: true,
        change: |document| {
            schema(document, "LoginBody")["properties"]["device"] = json!({ "type": "string" });
            push(
                &mut schema(document, "LoginBody")["required"],
                json!("device"),
            );
        },
    },
    Planted {
        what: "a parameter is needed",
        breaks: true,
        change: |document| {
            let parameter = json!({
                "name": "reason", "in": "query", "required": true, "schema": { "type": "string" },
            });
            push(
                &mut document["paths"][USERS]["get"]["parameters"],
                parameter,
            );
        },
    },
    Planted {
        what: "the maximum of a parameter is lower",
        breaks: true,
        change: |document| {
            let parameters = document["paths"][USERS]["get"]["parameters"].as_array_mut();
            for parameter in parameters.into_iter().flatten() {
                if parameter["name"] == "limit" {
                    parameter["schema"]["maximum"] = json!(20);
                }
            }
        },
    },
    Planted {
        what: "the maximum of a member of a body is lower",
        breaks: true,
        change: |document| {
            let members = &mut schema(document, "SettingsChange")["properties"];
            members["access_token_ttl"]["maximum"] = json!(600);
        },
    },
    Planted {
        what: "a text of a body has to be shorter",
        breaks: true,
        change: |document| {
            schema(document, "SignupBody")["properties"]["name"]["maxLength"] = json!(20);
        },
    },
    Planted {
        what: "a body needs another credential",
        breaks: true,
        change: |document| {
            document["paths"][LOGIN]["post"]["security"] = json!([{ "OperatorToken": [] }]);
        },
    },
    Planted {
        what: "a media type of an answer is another one",
        breaks: true,
        change: |document| {
            let content = &mut document["paths"][LOGIN]["post"]["responses"]["200"]["content"];
            *content = json!({ "application/cbor": content["application/json"] });
        },
    },
    Planted {
        what: "an operation is new",
        breaks: false,
        change: |document| {
            let operation = document["paths"][LOGIN]["post"].clone();
            document["paths"]["/t/{tenant}/auth/step-up"]["post"] = operation;
            document["paths"]["/t/{tenant}/auth/step-up"]["post"]["operationId"] = json!("step_up");
        },
    },
    Planted {
        what: "a member of an answer is new",
        breaks: false,
        change: |document| {
            schema(document, "UserInfo")["properties"]["locale"] = json!({ "type": "string" });
        },
    },
    Planted {
        what: "a member of a body is new and may be missing",
        breaks: false,
        change: |document| {
            schema(document, "LoginBody")["properties"]["device"] = json!({ "type": "string" });
        },
    },
    Planted {
        what: "a parameter is new and may be missing",
        breaks: false,
        change: |document| {
            let parameter =
                json!({ "name": "reason", "in": "query", "schema": { "type": "string" } });
            push(
                &mut document["paths"][USERS]["get"]["parameters"],
                parameter,
            );
        },
    },
    Planted {
        what: "the maximum of a member of a body is higher",
        breaks: false,
        change: |document| {
            let members = &mut schema(document, "SettingsChange")["properties"];
            members["access_token_ttl"]["maximum"] = json!(100_000);
        },
    },
    Planted {
        what: "an open word is known",
        breaks: false,
        change: |document| {
            let member = &mut schema(document, "TokenForm")["properties"]["grant_type"];
            push(&mut member["x-extensible-enum"], json!("urn:example:grant"));
        },
    },
    Planted {
        what: "a description is better",
        breaks: false,
        change: |document| {
            document["paths"][LOGIN]["post"]["description"] = json!("Better.");
        },
    },
];
