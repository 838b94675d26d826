"""Prepares an installation, lets Schemathesis at every operation, and says what came of it.

`cargo xtask contract fuzz` starts the server and calls this with the file that says how to reach it.
"""

import argparse
import base64
import json
import os
import pathlib
import random
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).parent
PASSWORD = "correct horse battery staple"

# Seeds are the same in each run of CI, so that a finding is found again. With --long it is luck.
SHORT = {"--seed": "7", "--max-examples": "12"}
LONG = {"--seed": str(random.randrange(2**32)), "--max-examples": "400", "--max-time": "1800"}


class Installation:
    """The server, and the operator's way into it."""

    def __init__(self, settings):
        self.url = settings["public_url"]
        self.operator = settings["operator_token"]

    def post(self, path, body):
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if path.startswith("/admin/"):
            request.add_header("Authorization", f"Bearer {self.operator}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def prepare(installation):
    """What is there for the requests, and the credentials that they carry."""
    tenant, doomed = "fuzzed", "doomed"
    settings = {
        "access_token_ttl": 86400,
        "password_refuse_common": False,
        "registration": "open",
        "registration_max_clients": 100_000,
        "roles": {"owner": {"permissions": ["tokenhouse:admin"]}},
    }
    installation.post("/admin/v1/tenants", {"slug": tenant, "settings": settings})
    installation.post("/admin/v1/tenants", {"slug": doomed})
    admin = f"/admin/v1/tenants/{tenant}"

    def user(email, **more):
        body = {"email": email, "password": PASSWORD, **more}
        return installation.post(f"{admin}/users", body)

    user("owner@example.com", roles=["owner"])
    # The document's examples name her.
    user("ada@example.com")
    target = user("target@example.com")
    redirect = ["https://app.example.com/callback"]
    client = {"client_id": "fuzz-client", "redirect_uris": redirect}
    installation.post(f"{admin}/clients", client)
    machine = {"grant_types": ["client_credentials"], "scope": "read", "client_name": "Machine"}
    machine = installation.post(f"{admin}/clients", machine)
    login = {"email": "owner@example.com", "password": PASSWORD, "delivery": "body"}
    session = installation.post(f"/t/{tenant}/auth/login", login)
    registered = installation.post(f"/t/{tenant}/oauth2/register", {"redirect_uris": redirect})
    basic = f"{machine['client_id']}:{machine['client_secret']}".encode()
    return {
        "FUZZ_ADMIN": session["access_token"],
        "FUZZ_BASIC": base64.b64encode(basic).decode(),
        "FUZZ_CLIENT": "fuzz-client",
        "FUZZ_DOOMED": doomed,
        "FUZZ_OPERATOR": installation.operator,
        "FUZZ_REGISTERED": registered["client_id"],
        "FUZZ_REGISTRATION": registered["registration_access_token"],
        "FUZZ_TENANT": tenant,
        "FUZZ_USER": target["user_id"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=pathlib.Path, help="dev.json of the server")
    parser.add_argument("--report", type=pathlib.Path, required=True)
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    installation = Installation(json.loads(arguments.settings.read_text()))
    options = LONG if arguments.long else SHORT
    command = [
        str(pathlib.Path(sys.executable).with_name("st")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        str(HERE / "openapi.json"),
        "--url",
        installation.url,
        "--continue-on-failure",
        "--warnings",
        "off",
        "--report",
        "json",
        "--report-json-path",
        str(arguments.report),
    ]
    for name, value in options.items():
        command += [name, value]
    environment = {**os.environ, **prepare(installation)}
    status = subprocess.run(command, env=environment, check=False).returncode
    summary(json.loads(arguments.report.read_text()), options["--seed"])
    return status


def summary(report, seed):
    """One line that a reader of CI's log looks for."""
    tested = report["operations"]["tested"]
    cases = report["test_cases"]
    print(
        f"fuzz: {tested} operations, {cases['generated']} requests, "
        f"{cases['unique_failures']} findings (seed {seed})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
