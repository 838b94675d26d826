"""Lines of JSON, which Schemathesis neither writes nor reads by itself."""

import json

import schemathesis

NDJSON = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(_context, raw_schema):
    """To generators of clients a body of lines is bytes. Here it is a list of what each line is."""
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (body.get("content", {}).get(NDJSON) for body in bodies):
                if media:
                    media["schema"] = {"type": "array", "items": media["x-item-schema"]}


@schemathesis.serializer(NDJSON)
def write_lines(_context, value):
    lines = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(line) for line in lines).encode()


@schemathesis.deserializer(NDJSON)
def read_lines(_context, response):
    return [json.loads(line) for line in response.content.splitlines()]
