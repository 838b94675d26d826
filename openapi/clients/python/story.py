"""The story that every generated client lives through, with this one.

What passes `mypy --strict` here has the types that the document promises, and what runs has the
values. TOKENHOUSE_URL and TOKENHOUSE_OPERATOR_TOKEN say where the server is and who runs it.
"""

import base64
import os
import time

from tokenhouse_client import AuthenticatedClient, Client
from tokenhouse_client.api.clients import create_client
from tokenhouse_client.api.o_auth import exchange_token
from tokenhouse_client.api.session import get_current_user, login, logout, refresh_session, signup
from tokenhouse_client.api.tenants import create_tenant
from tokenhouse_client.api.users import create_user, list_users, update_user
from tokenhouse_client.models import (
    ClientInformation,
    CreateClientBody,
    CreateTenantBody,
    CreateUserBody,
    Delivery,
    LoginBody,
    OAuthError,
    Problem,
    RefreshTokenBody,
    TokenSession,
    SignupBody,
    Tenant,
    TokenForm,
    TokenResponse,
    User,
    UserChange,
    UserInfo,
    UserPage,
)
from tokenhouse_client.types import UNSET, Unset


def done(step: str) -> None:
    print(f"step: {step}", flush=True)


def basic(client_id: str, client_secret: str) -> AuthenticatedClient:
    """A client that authenticates at the token endpoint (RFC 6749 §2.3.1)."""
    both = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    return AuthenticatedClient(base_url=URL, token=both, prefix="Basic")


URL = os.environ["TOKENHOUSE_URL"]
TENANT = f"py-{time.time_ns():x}"
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"

# Authentication: a client for whoever has the token.
operator = AuthenticatedClient(base_url=URL, token=os.environ["TOKENHOUSE_OPERATOR_TOKEN"])
anyone = Client(base_url=URL)

tenant = create_tenant.sync(client=operator, body=CreateTenantBody(slug=TENANT, name="Python"))
assert isinstance(tenant, Tenant)
assert tenant.slug == TENANT
done("create a tenant")

reports = create_client.sync(
    TENANT,
    client=operator,
    body=CreateClientBody(
        client_name="Reports",
        grant_types=["client_credentials"],
        scope="tokenhouse:admin:read",
    ),
)
assert isinstance(reports, ClientInformation)
assert isinstance(reports.client_secret, str)
done("create a client")

user = signup.sync(
    TENANT,
    client=anyone,
    body=SignupBody(
        name="Ada Lovelace",
        email=EMAIL,
        password=PASSWORD,
        avatar_url="https://example.com/ada.png",
    ),
)
assert isinstance(user, UserInfo)
assert user.email == EMAIL
done("sign up")

taken = signup.sync_detailed(
    TENANT, client=anyone, body=SignupBody(name="Ada", email=EMAIL, password=PASSWORD)
)
assert taken.status_code == 409
assert isinstance(taken.parsed, Problem)
assert taken.parsed.type_.endswith("/problems/email-taken")
done("email-taken is a typed problem")

session = login.sync(
    TENANT,
    client=anyone,
    body=LoginBody(email=EMAIL, password=PASSWORD, delivery=Delivery.BODY),
)
assert isinstance(session, TokenSession)
assert session.user.user_id == user.user_id
done("log in")

refused = login.sync_detailed(TENANT, client=anyone, body=LoginBody(email=EMAIL, password="wrong"))
assert refused.status_code == 401
assert isinstance(refused.parsed, Problem)
assert refused.parsed.type_.endswith("/problems/wrong-credentials")
done("wrong-credentials is a typed problem")


# Refresh and logout take the token of their body as well as a cookie. For the generator they are
# operations with security, so they want a client that has a token; the server doesn't look at it.
signed_in = AuthenticatedClient(base_url=URL, token=session.access_token)


def refresh(refresh_token: str) -> TokenSession:
    answer = refresh_session.sync(
        TENANT, client=signed_in, body=RefreshTokenBody(refresh_token=refresh_token)
    )
    assert isinstance(answer, TokenSession)
    return answer


successor = refresh(session.refresh_token)
assert successor.refresh_token != session.refresh_token
done("refresh")

again = refresh(session.refresh_token)
assert again.refresh_token == successor.refresh_token
done("a retried refresh has the same successor")

current = get_current_user.sync(
    TENANT, client=AuthenticatedClient(base_url=URL, token=again.access_token)
)
assert isinstance(current, UserInfo)
assert current == user
done("current user")

emails = [EMAIL]
for name in ("grace", "alan", "edsger", "barbara"):
    made = create_user.sync(
        TENANT,
        client=operator,
        body=CreateUserBody(name=name, email=f"{name}@example.com"),
    )
    assert isinstance(made, User)
    emails.append(made.email)
listed: list[str] = []
pages = 0
cursor: str | None | Unset = UNSET
while cursor is not None:
    page = list_users.sync(TENANT, client=operator, limit=2, cursor=cursor)
    assert isinstance(page, UserPage)
    listed += [item.email for item in page.items]
    cursor = page.next_cursor
    pages += 1
assert pages == 3
assert sorted(listed) == sorted(emails)
done("list users page by page")

changed = update_user.sync(
    TENANT,
    str(user.user_id),
    client=operator,
    body=UserChange(name="Ada", avatar_url=None),
)
assert isinstance(changed, User)
assert (changed.name, changed.avatar_url, changed.email) == ("Ada", None, EMAIL)
done("clear one member with null")

granted = exchange_token.sync(
    TENANT,
    client=basic(reports.client_id, reports.client_secret),
    body=TokenForm(grant_type="client_credentials", scope="tokenhouse:admin:read"),
)
assert isinstance(granted, TokenResponse)
reader = AuthenticatedClient(base_url=URL, token=granted.access_token)
read = list_users.sync(TENANT, client=reader)
assert isinstance(read, UserPage)
assert len(read.items) == len(emails)
done("exchange client credentials")

unknown = exchange_token.sync_detailed(
    TENANT,
    client=basic("nobody", "nothing"),
    body=TokenForm(grant_type="client_credentials"),
)
assert unknown.status_code == 401
assert isinstance(unknown.parsed, OAuthError)
assert unknown.parsed.error == "invalid_client"
done("invalid_client is a typed OAuth error")

left = logout.sync_detailed(
    TENANT, client=signed_in, body=RefreshTokenBody(refresh_token=again.refresh_token)
)
assert left.status_code == 204
ended = refresh_session.sync_detailed(
    TENANT, client=signed_in, body=RefreshTokenBody(refresh_token=again.refresh_token)
)
assert ended.status_code == 401
done("log out")
