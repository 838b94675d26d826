"""Lines of JSON, which Schemathesis neither writes nor reads by itself."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context, value):
    lines = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(line) for line in lines).encode()


@schemathesis.deserializer("application/x-ndjson")
def read_first_line(_context, response):
    """The document's schema is that of a line. (The Rust tests look at all of them.)"""
    return json.loads(response.content.splitlines()[0])
