//! Invitations: made, accepted once, and refused in every other way (T107, T108).

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::{
    harness::{Answer, Installation, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend, until},
    oidc::rp::claims,
};

on_every_backend!(
    an_invitation_makes_one_user_with_its_roles,
    of_twenty_acceptances_at_once_one_makes_a_user,
    an_invitation_that_does_not_count_has_one_answer,
    invitations_are_listed_replaced_and_revoked,
    who_may_sign_up_is_decided_by_the_server,
);
on_every_backend!(alone: old_invitations_go_when_new_ones_come);

async fn send(tenant: &Tenant, method: Method, rest: &str, body: Option<Value>) -> Answer {
    ask(tenant, 0, OPERATOR_TOKEN, method, rest, body).await
}

async fn invite(tenant: &Tenant, body: Value) -> Answer {
    let made = send(tenant, Method::POST, "/invitations", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.body[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
}

/// A sign-up at instance `n` with an invitation.
async fn accept(tenant: &Tenant, n: usize, token: &str, email: &str) -> Answer {
    let body = json!({ "name": "Grace Hopper", "email": email, "password": PASSWORD, "invitation": token });
    let client = tenant.client(n);
    client.post(&tenant.path("/auth/signup"), body).await
}

async fn invited_only(installation: &Installation) -> Tenant {
    let settings = json!({
        "signup": "invitation",
        "roles": { "clerk": { "permissions": ["invoices:write"] }, "owner": { "permissions": ["tokenhouse:admin"] } },
    });
    installation.tenant_with(settings).await
}

async fn an_invitation_makes_one_user_with_its_roles(installation: Installation) {
    let acme = invited_only(&installation).await;
    let body = json!({ "email": "Grace@example.com", "name": "Grace", "roles": ["clerk"], "expires_in": 3600 });
    let made = invite(&acme, body).await;
    let (id, token) = (text(&made, "invitation_id"), text(&made, "token"));
    assert!(token.starts_with("thi_"), "{made:?}");
    assert_eq!(
        made.body["link"],
        format!("{}/signup?invitation={token}", acme.issuer())
    );
    assert_eq!(
        (
            &made.body["email"],
            &made.body["state"],
            &made.body["roles"]
        ),
        (
            &json!("grace@example.com"),
            &json!("pending"),
            &json!(["clerk"])
        )
    );
    assert_eq!(made.header("cache-control"), "no-store");
    // It is told once.
    let path = format!("/invitations/{id}");
    let read = ask(&acme, 1, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(read.body["state"], "pending");
    assert!(
        !read.text.contains("thi_") && !read.text.contains("link"),
        "{read:?}"
    );

    let user = accept(&acme, 1, token, "grace@example.com").await;
    assert_eq!(user.status, StatusCode::CREATED, "{user:?}");
    // The link proves that somebody has the link.
    assert_eq!(user.body["email_verified"], false);
    let session = acme.login("grace@example.com").await;
    assert_eq!(claims(&session.access_token)["roles"], json!(["clerk"]));

    let read = ask(&acme, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(
        (&read.body["state"], &read.body["user_id"]),
        (&json!("accepted"), &user.body["user_id"])
    );
    accept(&acme, 0, token, "grace@example.com")
        .await
        .assert_problem(403, "invitation-invalid");
    send(&acme, Method::DELETE, &path, None)
        .await
        .assert_problem(409, "invitation-accepted");
    for (event, actor) in [
        ("invitation.created", "operator"),
        ("invitation.accepted", "user"),
    ] {
        let path = format!("/audit-events?event={event}&target={id}");
        let noted = until(event, async || {
            let page = send(&acme, Method::GET, &path, None).await;
            page.body["items"].get(0).cloned()
        })
        .await;
        assert_eq!(noted["actor"]["kind"], actor, "{noted}");
        assert!(!noted.to_string().contains("thi_"), "{noted}");
    }
}

async fn of_twenty_acceptances_at_once_one_makes_a_user(installation: Installation) {
    let acme = invited_only(&installation).await;
    let made = invite(&acme, json!({ "email": "grace@example.com" })).await;
    let token = text(&made, "token");
    let all = (0..20).map(|n| accept(&acme, n, token, "grace@example.com"));
    let answers = join_all(all).await;
    let (mut made, mut refused, mut busy) = (0, 0, 0);
    for answer in &answers {
        match answer.status.as_u16() {
            201 => made += 1,
            403 => {
                answer.assert_problem(403, "invitation-invalid");
                refused += 1;
            }
            // Those who looked after the first one was done.
            409 => {
                answer.assert_problem(409, "email-taken");
                refused += 1;
            }
            // The queue of passwords to hash is full.
            503 => busy += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!((made, refused + busy), (1, 19), "{answers:?}");
    assert!(refused > 0, "{answers:?}");
    let users = send(&acme, Method::GET, "/users", None).await;
    assert_eq!(users.body["items"].as_array().unwrap().len(), 1);
}

/// T107. The members that a caller could tell one reason from another by.
fn seen(answer: &Answer) -> Value {
    answer.assert_problem(403, "invitation-invalid");
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("instance");
    body
}

async fn an_invitation_that_does_not_count_has_one_answer(installation: Installation) {
    let (acme, other) = (
        invited_only(&installation).await,
        invited_only(&installation).await,
    );
    let body = |email: &str| json!({ "email": email, "expires_in": 60 });
    let email = "grace@example.com";
    let replaced = invite(&acme, body(email)).await;
    let good = invite(&acme, body(email)).await;
    let good = text(&good, "token");
    let revoked = invite(&acme, body("revoked@example.com")).await;
    let path = format!("/invitations/{}", text(&revoked, "invitation_id"));
    for _ in 0..2 {
        let answer = send(&acme, Method::DELETE, &path, None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }
    let foreign = invite(&other, body(email)).await;
    let used = invite(&acme, body("used@example.com")).await;
    accept(&acme, 0, text(&used, "token"), "used@example.com").await;
    let late = invite(&acme, body("late@example.com")).await;

    let unknown = seen(&accept(&acme, 0, &format!("thi_{}", "A".repeat(43)), email).await);
    for (why, token, email) in [
        ("no token at all", "", email),
        ("half a token", &good[..20], email),
        ("another address", good, "eve@example.com"),
        ("another tenant's", text(&foreign, "token"), email),
        ("replaced by a later one", text(&replaced, "token"), email),
        ("revoked", text(&revoked, "token"), "revoked@example.com"),
        ("used before", text(&used, "token"), "used@example.com"),
    ] {
        for n in 0..2 {
            assert_eq!(
                seen(&accept(&acme, n, token, email).await),
                unknown,
                "{why}"
            );
        }
    }
    // Power is nothing that the invited give themselves.
    for (name, value) in [
        ("roles", json!(["owner"])),
        ("role", json!("owner")),
        ("email_verified", json!(true)),
    ] {
        let mut body =
            json!({ "name": "G", "email": email, "password": PASSWORD, "invitation": good });
        body[name] = value;
        let answer = acme.client(0).post(&acme.path("/auth/signup"), body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.pointers()),
            (400, vec![format!("/{name}").as_str()])
        );
    }
    let weak = json!({ "name": "G", "email": email, "password": "password1", "invitation": good });
    let weak = acme.client(0).post(&acme.path("/auth/signup"), weak).await;
    weak.assert_problem(400, "weak-password");
    // Nothing of all this used it up.
    let answer = accept(&acme, 1, good, email).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let answer = accept(&other, 1, text(&foreign, "token"), email).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");

    installation.clock.advance(Duration::from_secs(61));
    for n in 0..2 {
        let answer = accept(&acme, n, text(&late, "token"), "late@example.com").await;
        assert_eq!(seen(&answer), unknown, "expired");
    }
    let path = format!("/invitations/{}", text(&late, "invitation_id"));
    let read = send(&acme, Method::GET, &path, None).await;
    assert_eq!(read.body["state"], "expired");
    // One that waited while its address got an account in another way goes with that account.
    let waiting = invite(&acme, body("mallory@example.com")).await;
    let user = json!({ "email": "mallory@example.com", "password": PASSWORD });
    let user = send(&acme, Method::POST, "/users", Some(user)).await;
    let token = text(&waiting, "token");
    accept(&acme, 0, token, "mallory@example.com")
        .await
        .assert_problem(409, "email-taken");
    let path_of_user = format!("/users/{}", text(&user, "user_id"));
    send(&acme, Method::DELETE, &path_of_user, None).await;
    assert_eq!(
        seen(&accept(&acme, 0, token, "mallory@example.com").await),
        unknown
    );
    // Inviting again leaves it what it was.
    invite(&acme, body("late@example.com")).await;
    let read = send(&acme, Method::GET, &path, None).await;
    assert_eq!(read.body["state"], "expired");
}

fn emails(answer: &Answer) -> Vec<&str> {
    let items = answer.body["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"));
    items
        .iter()
        .map(|one| one["email"].as_str().unwrap())
        .collect()
}

async fn invitations_are_listed_replaced_and_revoked(installation: Installation) {
    let acme = invited_only(&installation).await;
    let settings = json!({ "invitations_max_pending": 3 });
    send(&acme, Method::PATCH, "/settings", Some(settings)).await;
    for name in ["a", "b", "c"] {
        invite(&acme, json!({ "email": format!("{name}@example.com") })).await;
    }
    let fourth = Some(json!({ "email": "d@example.com" }));
    send(&acme, Method::POST, "/invitations", fourth.clone())
        .await
        .assert_problem(409, "too-many-invitations");
    // One that replaces another is none more.
    let again = invite(&acme, json!({ "email": "b@example.com" })).await;
    let path = format!("/invitations/{}", text(&again, "invitation_id"));
    send(&acme, Method::DELETE, &path, None).await;
    let made = send(&acme, Method::POST, "/invitations", fourth).await;
    accept(&acme, 0, text(&made, "token"), "d@example.com").await;
    for (query, found) in [
        ("state=pending", vec!["c@example.com", "a@example.com"]),
        ("state=revoked", vec!["b@example.com", "b@example.com"]),
        ("state=accepted", vec!["d@example.com"]),
        ("state=expired", vec![]),
        (
            "email=B%40example.com&state=revoked",
            vec!["b@example.com", "b@example.com"],
        ),
        ("email=x%40example.com", vec![]),
    ] {
        let all = send(&acme, Method::GET, &format!("/invitations?{query}"), None).await;
        assert_eq!(emails(&all), found, "{query}");
        let mut cursor = String::new();
        for email in &found {
            let path = format!("/invitations?limit=1&{query}{cursor}");
            let page = ask(&acme, 1, OPERATOR_TOKEN, Method::GET, &path, None).await;
            assert_eq!(emails(&page), [*email], "{query}");
            let next = page.body["next_cursor"].as_str().unwrap_or_default();
            cursor = format!("&cursor={next}");
        }
    }
    for query in ["state=x", "email=x", "cursor=AAAA", "limit=0"] {
        let answer = send(&acme, Method::GET, &format!("/invitations?{query}"), None).await;
        answer.assert_problem(400, "invalid-parameter");
    }

    // Who has an account needs no invitation, and nobody gives what there isn't.
    send(
        &acme,
        Method::POST,
        "/invitations",
        Some(json!({ "email": "d@example.com" })),
    )
    .await
    .assert_problem(409, "email-taken");
    for (body, pointer) in [
        (json!({}), "/email"),
        (
            json!({ "email": "e@example.com", "roles": ["king"] }),
            "/roles/0",
        ),
        (
            json!({ "email": "e@example.com", "expires_in": 59 }),
            "/expires_in",
        ),
        (
            json!({ "email": "e@example.com", "password": PASSWORD }),
            "/password",
        ),
    ] {
        let answer = send(&acme, Method::POST, "/invitations", Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.pointers()),
            (400, vec![pointer])
        );
    }
    let (_, reader) = admin_token(&acme, "tokenhouse:admin:read").await;
    let body = Some(json!({ "email": "e@example.com", "roles": ["owner"] }));
    ask(
        &acme,
        0,
        &reader,
        Method::POST,
        "/invitations",
        body.clone(),
    )
    .await
    .assert_problem(403, "insufficient-scope");
    let answer = ask(&acme, 0, &reader, Method::GET, "/invitations", None).await;
    assert_eq!(answer.status, StatusCode::OK);
    let (_, writer) = admin_token(&acme, "tokenhouse:admin").await;
    let answer = ask(&acme, 0, &writer, Method::POST, "/invitations", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    for method in [Method::GET, Method::DELETE] {
        for id in ["01900000-0000-7000-8000-000000000000", "x"] {
            let path = format!("/invitations/{id}");
            let answer = send(&acme, method.clone(), &path, None).await;
            answer.assert_problem(404, "not-found");
        }
    }
}

async fn old_invitations_go_when_new_ones_come(installation: Installation) {
    let acme = invited_only(&installation).await;
    for n in 0..6 {
        let body = json!({ "email": format!("u{n}@example.com"), "expires_in": 60 });
        invite(&acme, body).await;
    }
    let day = Duration::from_secs(24 * 3600);
    for (days, left) in [(89, 7), (2, 4), (0, 3)] {
        installation.clock.advance(days * day);
        let body = json!({ "email": format!("after{days}@example.com"), "expires_in": 2_592_000 });
        invite(&acme, body).await;
        let all = send(&acme, Method::GET, "/invitations", None).await;
        assert_eq!(emails(&all).len(), left, "{all:?}");
    }
}

/// T108: what the mode refuses is refused at the address itself.
async fn who_may_sign_up_is_decided_by_the_server(installation: Installation) {
    let acme = installation.tenant().await;
    let made = invite(&acme, json!({ "email": "grace@example.com" })).await;
    let token = text(&made, "token");
    let plain = async || {
        let body = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD });
        acme.client(0).post(&acme.path("/auth/signup"), body).await
    };
    let set = async |mode: &str| {
        let patch = Some(json!({ "signup": mode }));
        let answer = send(&acme, Method::PATCH, "/settings", patch).await;
        assert_eq!(answer.body["signup"], mode, "{answer:?}");
    };
    set("closed").await;
    plain().await.assert_problem(403, "signup-closed");
    // An invitation waits while nobody may sign up, and whether it is one isn't told.
    for token in [token, "thi_x"] {
        accept(&acme, 0, token, "grace@example.com")
            .await
            .assert_problem(403, "signup-closed");
    }
    let body = Some(json!({ "email": "other@example.com" }));
    send(&acme, Method::POST, "/invitations", body)
        .await
        .assert_problem(403, "signup-closed");
    set("invitation").await;
    plain().await.assert_problem(403, "invitation-required");
    // The old name of the setting still means what it meant.
    let old = send(
        &acme,
        Method::PATCH,
        "/settings",
        Some(json!({ "signup_open": true })),
    )
    .await;
    assert_eq!(
        (&old.body["signup"], old.body.get("signup_open")),
        (&json!("open"), None)
    );
    assert_eq!(plain().await.status, StatusCode::CREATED);
    let answer = accept(&acme, 0, token, "grace@example.com").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}
