"""PyPI `Authlib`: the code flow with PKCE, client credentials, and validation of the ID token."""

import html
import json
import re
import sys
import urllib.parse

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oidc.core import CodeIDToken

settings = json.loads(sys.argv[1])
issuer, web, redirect_uri = settings["issuer"], settings["web"], settings["redirect_uri"]


def walk(browser, address):
    """Signs in and allows, as a user would; where the browser is sent at last."""
    answer = browser.get(address, allow_redirects=False)
    for _ in range(20):
        location = answer.headers.get("location")
        if location:
            location = urllib.parse.urljoin(answer.url, location)
            if location.startswith(redirect_uri):
                return location
            answer = browser.get(location, allow_redirects=False)
            continue
        form = re.search(r'<form method="post" action="([^"]*)">', answer.text)
        members = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', answer.text))
        members = {name: html.unescape(value) for name, value in members.items()}
        if 'id="login-submit"' in answer.text:
            members.update(username=settings["username"], password=settings["password"], action="login")
        elif 'id="consent-allow"' in answer.text:
            members.update(decision="allow")
        else:
            raise SystemExit(f"neither login nor consent: {answer.text}")
        action = urllib.parse.urljoin(answer.url, form.group(1))
        answer = browser.post(action, data=members, allow_redirects=False)
    raise SystemExit("pages without end")


metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
client = OAuth2Session(
    web["client_id"],
    web["client_secret"],
    scope="openid email offline_access",
    redirect_uri=redirect_uri,
    code_challenge_method="S256",
)
verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
address, state = client.create_authorization_url(
    metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6_WzA2Mj"
)
back = walk(requests.Session(), address)
token = client.fetch_token(
    metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
)
keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
claims = jwt.decode(
    token["id_token"],
    keys,
    claims_cls=CodeIDToken,
    claims_options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": web["client_id"]}},
    claims_params={"nonce": "n-0S6_WzA2Mj", "client_id": web["client_id"], "access_token": token["access_token"]},
)
claims.validate()
info = client.get(metadata["userinfo_endpoint"]).json()
assert info["sub"] == claims["sub"] and info["email"] == settings["username"], info
refreshed = client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
assert refreshed["refresh_token"] != token["refresh_token"]
assert client.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()["active"]
assert client.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"]).status_code == 200

machine = OAuth2Session(web["client_id"], web["client_secret"], scope="orders")
own = machine.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
assert own["scope"] == "orders", own
print("ok")
