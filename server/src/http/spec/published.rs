//! The document's own addresses, as the document shows them.

use serde_json::{Value, json};

/// Adds the paths to the document.
pub(super) fn describe(document: &mut Value) {
    document["components"]["schemas"]["OpenApiDocument"] = json!({
        "type": "object",
        "description": "An OpenAPI 3.0 document.",
        "required": ["openapi", "info", "paths"],
        "properties": {
            "openapi": { "type": "string", "description": "The version of OpenAPI." },
            "info": {
                "type": "object",
                "description": "The name and version of the API.",
                "additionalProperties": true,
            },
            "paths": {
                "type": "object",
                "description": "The operations, by path and method.",
                "additionalProperties": true,
            },
        },
        "additionalProperties": true,
    });
    let schema = json!({ "$ref": "#/components/schemas/OpenApiDocument" });
    let json = json!({ "application/json": { "schema": schema } });
    // Clients have it as text and a validator as an object, so nothing is said of which it is.
    let yaml = json!({ "application/yaml": { "schema": { "description": "The same, as YAML." } } });
    document["paths"]["/openapi.json"]["get"] = operation(
        "get_openapi_json",
        "OpenAPI document",
        "This document, with the address of this server.",
        &json,
    );
    document["paths"]["/openapi.yaml"]["get"] = operation(
        "get_openapi_yaml",
        "OpenAPI document, as YAML",
        "This document once more, for those who read it.",
        &yaml,
    );
    let mut of_tenant = operation(
        "get_tenant_openapi_json",
        "OpenAPI document of a tenant",
        "The operations below the tenant's issuer with that as their server, and an OAuth 2 scheme by which \
         tools sign in there.",
        &json,
    );
    of_tenant["parameters"] = json!([super::pages::tenant()]);
    of_tenant["responses"]["404"] = super::pages::problem("No such tenant.");
    document["paths"]["/t/{tenant}/openapi.json"]["get"] = of_tenant;
}

fn operation(id: &str, summary: &str, description: &str, content: &Value) -> Value {
    json!({
        "tags": ["Discovery"],
        "summary": summary,
        "description": description,
        "operationId": id,
        "responses": {
            "200": { "description": "The document.", "content": content },
            "500": super::pages::problem("A fault of the server."),
            "503": super::pages::unavailable(),
        },
    })
}
