"""Prepares an installation, lets Schemathesis at every operation, and says what came of it.

`cargo xtask contract fuzz` starts the server and calls this with the file that says how to reach it.
"""

import argparse
import base64
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).parent
PASSWORD = "correct horse battery staple"

# Seeds are the same in each run of CI, so that a finding is found again. With --long it is luck.
SHORT = {"--seed": "7", "--max-examples": "12"}
LONG = {"--seed": str(random.randrange(2**32)), "--max-examples": "400", "--max-time": "1800"}

# Behind credentials that requests could end, which would leave nothing to try but refusals.
SIGNED_IN = (
    "get_current_user",
    "get_userinfo",
    "introspect_token",
    "list_consents",
    "list_users",
    "read_registration",
    "revoke_token",
    "update_client",
    "update_profile",
    "update_settings",
    "update_user",
)
TAKEN = re.compile(
    r'^tokenhouse_http_requests_total\{operation="(\w+)",status="[23]\d\d"\} (\d+)$', re.MULTILINE
)


class Installation:
    """The server, and the operator's way into it."""

    def __init__(self, settings):
        self.url = settings["public_url"]
        self.management = settings["management_url"]
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

    def taken(self):
        """How often each operation that ever succeeded has done so."""
        with urllib.request.urlopen(f"{self.management}/metrics", timeout=60) as answer:
            found = TAKEN.findall(answer.read().decode())
        counts = collections.Counter()
        for name, count in found:
            counts[name] += int(count)
        return counts


def prepare(installation):
    """What is there for the requests, and the credentials that they carry."""
    tenant, visited, doomed = "fuzzed", "visited", "doomed"
    settings = {
        "access_token_ttl": 86400,
        "password_refuse_common": False,
        "registration": "open",
        "registration_max_clients": 100_000,
    }
    for slug in (tenant, visited):
        installation.post("/admin/v1/tenants", {"slug": slug, "settings": settings})
    installation.post("/admin/v1/tenants", {"slug": doomed})
    redirect = ["https://app.example.com/callback"]

    def made(of, kind, body):
        return installation.post(f"/admin/v1/tenants/{of}/{kind}", body)

    # The document's examples name her.
    ada = {"email": "ada@example.com", "password": PASSWORD}
    made(tenant, "users", ada)
    made(visited, "users", ada)
    target = made(visited, "users", {"email": "target@example.com"})
    made(visited, "clients", {"client_id": "fuzz-client", "redirect_uris": redirect})
    machine = {"grant_types": ["client_credentials"], "scope": "read", "client_name": "Machine"}
    machine = made(visited, "clients", machine)
    login = {**ada, "delivery": "body"}
    session = installation.post(f"/t/{visited}/auth/login", login)
    for _ in range(3):
        # Something to be ended.
        installation.post(f"/t/{tenant}/auth/login", login)
    registered, leaving = (
        installation.post(f"/t/{visited}/oauth2/register", {"redirect_uris": redirect})
        for _ in range(2)
    )
    basic = f"{machine['client_id']}:{machine['client_secret']}".encode()
    return {
        "FUZZ_BASIC": base64.b64encode(basic).decode(),
        "FUZZ_CLIENT": "fuzz-client",
        "FUZZ_DOOMED": doomed,
        "FUZZ_LEAVING": leaving["client_id"],
        "FUZZ_LEAVING_TOKEN": leaving["registration_access_token"],
        "FUZZ_OPERATOR": installation.operator,
        "FUZZ_REGISTERED": registered["client_id"],
        "FUZZ_REGISTRATION": registered["registration_access_token"],
        "FUZZ_SESSION": session["access_token"],
        "FUZZ_TENANT": tenant,
        "FUZZ_USER": target["user_id"],
        "FUZZ_VISITED": visited,
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
    taken = installation.taken()
    summary(json.loads(arguments.report.read_text()), len(taken), options["--seed"])
    refused = [name for name in SIGNED_IN if taken.get(name, 0) < 2]
    if refused:
        print(f"fuzz: no credential counted any more at {', '.join(refused)}", flush=True)
    return status or len(refused)


def summary(report, taken, seed):
    """One line that a reader of CI's log looks for."""
    tested = report["operations"]["tested"]
    cases = report["test_cases"]
    print(
        f"fuzz: {tested} operations, {taken} of them did what they are for, "
        f"{cases['generated']} requests, {cases['unique_failures']} findings (seed {seed})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
