"""Looks at the dashboard and the alerts as an operator would: with Prometheus, on a server under load.

`cargo xtask monitoring` starts the server and runs this. Every expression has to be understood, and every
line of every panel has to have values. With --picture the dashboard is drawn, panel by panel.
"""

import argparse
import json
import math
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

HERE = pathlib.Path(__file__).parent
STEP = 1
WINDOW = "10s"
PASSWORD = "correct horse battery staple"


def call(method, url, body=None, token=None):
    """The status and the JSON of an answer; refusals are answers too."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read()
    return status, json.loads(text) if text[:1] in (b"{", b"[") else None


def expect(status, answer):
    if answer[0] != status:
        raise SystemExit(f"expected {status}, got {answer}")
    return answer[1]


class Load:
    """Some of everything the panels show: good and bad sign-ins, rotations, repeats and reuse, reads, changes."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.slug = "watched-" + uuid.uuid4().hex[:8]
        self.tenant = f"{url}/t/{self.slug}"
        expect(201, self.admin("POST", "", {"slug": self.slug, "name": "Watched"}))
        self.over = threading.Event()
        self.answers = 0

    def admin(self, method, rest, body=None):
        return call(method, f"{self.url}/admin/v1/tenants{rest}", body, self.token)

    def session(self, path, body):
        self.answers += 1
        return call("POST", f"{self.tenant}/auth/{path}", body)

    def sign_up(self):
        email = f"{uuid.uuid4().hex}@example.com"
        user = {"name": "Ada", "email": email, "password": PASSWORD}
        expect(201, self.session("signup", user))
        return email

    def refresh(self, token):
        return self.session("refresh", {"refresh_token": token})

    def user(self):
        """What one user does, again and again."""
        email = self.sign_up()
        while not self.over.is_set():
            expect(401, self.session("login", {"email": email, "password": "wrong horse"}))
            login = {"email": email, "password": PASSWORD, "delivery": "body"}
            first = expect(200, self.session("login", login))
            token = first["refresh_token"]
            for _ in range(10):
                rotated = expect(200, self.refresh(token))
                # A lost answer: the same token again.
                expect(200, self.refresh(token))
                before, token = token, rotated["refresh_token"]
                call("GET", f"{self.tenant}/auth/current-user", token=rotated["access_token"])
                call("GET", f"{self.tenant}/oauth2/jwks")
            expect(200, self.refresh(token))
            # Older than the last one: somebody has a copy.
            expect(401, self.refresh(before))
            self.admin("GET", f"/{self.slug}/users?limit=5")

    def run(self, seconds):
        users = [threading.Thread(target=self.user, daemon=True) for _ in range(4)]
        for user in users:
            user.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not all(user.is_alive() for user in users):
                raise SystemExit("the load stopped, see above")
            time.sleep(0.5)
        self.over.set()
        for user in users:
            user.join(30)


class Prometheus:
    def __init__(self, program, target, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/v1"
        settings = folder / "prometheus.yml"
        settings.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{HERE / 'alerts.yaml'}']\n"
            "scrape_configs:\n"
            f"  - {{job_name: tokenhouse, static_configs: [{{targets: ['{target}']}}]}}\n"
        )
        self.log = folder / "prometheus.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={settings}",
                    f"--storage.tsdb.path={folder / 'series'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
        self.wait("the first scrape", lambda: self.query("up == 1"))

    def wait(self, what, condition):
        for _ in range(120):
            if self.process.poll() is not None:
                raise SystemExit(f"Prometheus ended:\n{self.log.read_text()[-2000:]}")
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.25)
        raise SystemExit(f"in vain waited for {what}:\n{self.log.read_text()[-2000:]}")

    def get(self, path, **parameters):
        status, answer = call("GET", f"{self.url}/{path}?{urllib.parse.urlencode(parameters)}")
        if status != 200:
            raise ValueError(answer.get("error") if answer else status)
        return answer["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def range(self, expression, begin, end):
        return self.get("query_range", query=expression, start=begin, end=end, step=STEP)["result"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def plain(expression):
    """The expression with what Grafana puts in for the variables."""
    for variable, value in [("$job", ".*"), ("$instance", ".*"), ("$__rate_interval", WINDOW)]:
        expression = expression.replace(variable, value)
    return expression


def legend(target, labels):
    text = target.get("legendFormat") or ""
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def numbers(series):
    return [(float(at), float(value)) for at, value in series["values"] if not math.isnan(float(value))]


def lines(prometheus, panel, begin, end):
    """Every line of a panel, and what is wrong with it."""
    drawn, wrong = [], []
    for target in panel.get("targets", []):
        expression = plain(target["expr"])
        if "$" in expression:
            wrong.append(f"unknown variable: {expression}")
            continue
        try:
            found = prometheus.range(expression, begin, end)
        except ValueError as error:
            wrong.append(f"{error}: {expression}")
            continue
        found = [(legend(target, one["metric"]), numbers(one)) for one in found]
        if not any(values for _, values in found):
            wrong.append(f"no values: {expression}")
        drawn += found
    return drawn, wrong


def rules(prometheus):
    """What is wrong with the alerts, and which of them fire."""
    groups = prometheus.get("rules")["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    wrong = [f"{rule['name']}: {rule.get('lastError')}" for rule in every if rule["health"] != "ok"]
    firing = [rule["name"] for rule in every if rule["state"] == "firing"]
    return len(every), wrong, firing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=pathlib.Path, help="dev.json of the server")
    parser.add_argument("--management", required=True, help="host:port of /metrics")
    parser.add_argument("--prometheus", required=True, help="the program")
    parser.add_argument("--seconds", type=int, default=65, help="of load; the busiest tenants are told of a whole minute")
    parser.add_argument("--picture", type=pathlib.Path, help="draw the dashboard into this PNG")
    options = parser.parse_args()
    server = json.loads(options.settings.read_text())
    dashboard = json.loads((HERE / "dashboard.json").read_text())

    with tempfile.TemporaryDirectory() as folder:
        prometheus = Prometheus(options.prometheus, options.management, pathlib.Path(folder))
        try:
            begin = time.time()
            load = Load(server["public_url"], server["operator_token"])
            load.run(options.seconds)
            end = time.time()
            panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
            seen = [(panel, *lines(prometheus, panel, begin, end)) for panel in panels]
            count, broken, firing = rules(prometheus)
        finally:
            prometheus.stop()

    problems = [f"{panel['title']}: {what}" for panel, _, wrong in seen for what in wrong]
    problems += broken
    # The load plays somebody with copies of refresh tokens; for the rest the server is well.
    if firing != ["TokenhouseRefreshReuse"]:
        problems.append(f"TokenhouseRefreshReuse alone should fire, not {firing}")
    drawn = sum(len(one) for _, one, _ in seen)
    print(f"{load.answers} requests; {len(panels)} panels with {drawn} lines; {count} alerts", flush=True)
    if options.picture:
        from picture import draw

        draw(dashboard, {panel["id"]: one for panel, one, _ in seen}, options.picture)
        print(f"drawn: {options.picture}")
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
