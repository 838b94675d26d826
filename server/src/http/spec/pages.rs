//! The endpoints that browsers are sent to, as the document shows them. They answer with pages and
//! redirects; everything else about them is in `pages`.

use serde_json::{Value, json};

/// Name, whether it is needed, and what it is for.
type Parameter = (&'static str, bool, &'static str);

const AUTHORIZE: &[Parameter] = &[
    ("client_id", true, "The client that asks."),
    (
        "redirect_uri",
        true,
        "Where the answer goes: one that the client registered, byte for byte.",
    ),
    ("response_type", true, "`code`."),
    (
        "scope",
        false,
        "What is asked for, with spaces between; `openid` for an ID token. What the client did not register is left out.",
    ),
    ("state", false, "Comes back as it was sent."),
    (
        "code_challenge",
        false,
        "RFC 7636; needed unless the client was exempted.",
    ),
    ("code_challenge_method", false, "`S256`."),
    (
        "response_mode",
        false,
        "`query` (the default) or `form_post`.",
    ),
    ("nonce", false, "Comes back in the ID token."),
    (
        "prompt",
        false,
        "`none`, or some of `login`, `consent`, `select_account` and `create`.",
    ),
    (
        "max_age",
        false,
        "How many seconds ago the user may have signed in.",
    ),
    ("login_hint", false, "The email address to begin with."),
    (
        "id_token_hint",
        false,
        "An ID token of the client: only its user may answer.",
    ),
    (
        "claims",
        false,
        "Single claims that are asked for (OIDC Core §5.5), as JSON.",
    ),
    ("acr_values", false, "Taken note of; the answer says `acr`."),
    (
        "resource",
        false,
        "What the access token is for (RFC 8707). May come several times.",
    ),
    ("display", false, "Taken note of."),
    ("ui_locales", false, "Taken note of; pages are in English."),
];

const LOGOUT: &[Parameter] = &[
    (
        "id_token_hint",
        false,
        "An ID token of the client that asks. With it the user is not asked, and the return address counts.",
    ),
    ("client_id", false, "The client that asks."),
    (
        "post_logout_redirect_uri",
        false,
        "Where to go afterwards: one that the client registered, byte for byte.",
    ),
    ("state", false, "Comes back as it was sent."),
    ("ui_locales", false, "Taken note of; pages are in English."),
];

/// A refusal as a problem document.
pub(super) fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "description": description,
        "content": { "application/problem+json": { "schema": schema } },
    })
}

/// The refusal of a server that can't answer now.
pub(super) fn unavailable() -> Value {
    let mut answer = problem("A store does not answer. Try again later.");
    answer["headers"]["Retry-After"] = retry_after();
    answer
}

fn retry_after() -> Value {
    json!({
        "description": "After how many seconds to try again.",
        "required": true,
        "schema": { "type": "integer", "format": "int32", "minimum": 1 },
    })
}

/// Adds the paths to the document.
pub(super) fn describe(document: &mut Value) {
    for (name, description, parameters) in [
        (
            "AuthorizeForm",
            "The parameters of an authorization request.",
            AUTHORIZE,
        ),
        ("EndSessionForm", "The parameters of a logout.", LOGOUT),
    ] {
        document["components"]["schemas"][name] = form(description, parameters);
    }
    document["paths"]["/t/{tenant}/oauth2/authorize"] = json!({
        "get": operation(
            "authorize",
            "Ask a user to sign in and allow access",
            "The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2). An application sends the user's browser here. \
             The answer goes to the redirect URI, with `iss` (RFC 9207), in success and error alike; as long as client \
             and redirect URI are not known to be right, a page says so and nothing is redirected.",
            AUTHORIZE,
            Carried::Query,
        ),
        "post": operation(
            "authorize_by_post",
            "Ask a user to sign in and allow access, by POST",
            "The same, with the parameters in a form.",
            AUTHORIZE,
            Carried::Form("AuthorizeForm"),
        ),
    });
    document["paths"]["/t/{tenant}/oauth2/logout"] = json!({
        "get": operation(
            "end_session",
            "Sign a user out",
            "OpenID Connect RP-Initiated Logout 1.0. An application sends the user's browser here.",
            LOGOUT,
            Carried::Query,
        ),
        "post": operation(
            "end_session_by_post",
            "Sign a user out, by POST",
            "The same, with the parameters in a form.",
            LOGOUT,
            Carried::Form("EndSessionForm"),
        ),
    });
}

/// Where the parameters are; a form has a schema of this name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    Query,
    Form(&'static str),
}

fn operation(
    id: &str,
    summary: &str,
    description: &str,
    parameters: &[Parameter],
    carried: Carried,
) -> Value {
    let page = |description: &str| {
        json!({
            "description": description,
            "content": { "text/html": { "schema": { "type": "string" } } },
        })
    };
    let mut unavailable = page("A store does not answer. Try again later.");
    unavailable["headers"]["Retry-After"] = retry_after();
    let mut operation = json!({
        "tags": ["Pages"],
        "summary": summary,
        "description": description,
        "operationId": id,
        "parameters": [tenant()],
        "responses": {
            "200": page("A page for the user."),
            "303": {
                "description": "To the next page, or back to the application.",
                "headers": {
                    "Location": {
                        "description": "Where to.",
                        "required": true,
                                        "schema": { "type": "string", "format": "uri" },
                    },
                },
            },
            "400": page("A page says what is wrong with the request."),
            "404": problem("No such tenant."),
            "500": page("A fault of the server."),
            "503": unavailable,
        },
    });
    match carried {
        Carried::Query => {
            if let Some(all) = operation["parameters"].as_array_mut() {
                all.extend(parameters.iter().map(in_query));
            }
        }
        Carried::Form(name) => {
            let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
            let content = json!({ "application/x-www-form-urlencoded": { "schema": schema } });
            operation["requestBody"] = json!({ "content": content, "required": true });
        }
    }
    operation
}

pub(super) fn tenant() -> Value {
    json!({
        "name": "tenant",
        "in": "path",
        "description": "The tenant's slug.",
        "required": true,
        "schema": {
            "type": "string",
            "example": "demo",
            "maxLength": 63,
            "minLength": 1,
            "pattern": "^[a-z0-9](-?[a-z0-9])*$",
        },
    })
}

/// `resource` is the only one that may be repeated.
fn schema(name: &str) -> Value {
    if name == "resource" {
        json!({ "type": "array", "items": { "type": "string", "format": "uri" } })
    } else {
        json!({ "type": "string" })
    }
}

fn in_query((name, required, description): &Parameter) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": description,
        "required": required,
        "schema": schema(name),
    })
}

fn form(description: &str, parameters: &[Parameter]) -> Value {
    let properties = parameters.iter().map(|(name, _, description)| {
        let mut schema = schema(name);
        schema["description"] = json!(description);
        ((*name).to_owned(), schema)
    });
    let required: Vec<_> = parameters
        .iter()
        .filter(|(_, required, _)| *required)
        .map(|(name, ..)| *name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": description,
        "properties": properties.collect::<serde_json::Map<_, _>>(),
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}
