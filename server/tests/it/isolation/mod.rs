//! The proof that tenants are apart (T01, T02, T05): every operation of the OpenAPI document is tried with what
//! another tenant handed out, in every place where it takes something, and must answer exactly as it answers
//! to something that never was.
//!
//! The operations and their places come from the document. A place that this test doesn't know, and an
//! operation that it can't try, fail it: a new operation is tried or the build is red. What was tried is
//! written down in `docs/isolation.md`; `TOKENHOUSE_TEST_WRITE_ISOLATION=1` writes it anew.

mod artefacts;
mod operations;

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use reqwest::StatusCode;
use serde_json::Value;

use self::{
    artefacts::{Artefacts, What, invited},
    operations::{Operation, Place, operations},
};
use crate::harness::{Answer, Backend, Installation, PASSWORD, Tenant};

#[tokio::test]
async fn every_operation_refuses_what_another_tenant_handed_out_on_sqlite() {
    prove(Backend::Sqlite).await;
}

#[tokio::test]
async fn every_operation_refuses_what_another_tenant_handed_out_on_redis() {
    prove(Backend::Redis).await;
}

/// Two tenants, each with everything; the one's artefacts at the other, and the other way round.
async fn prove(backend: Backend) {
    let installation = Installation::start(backend).await;
    let (a, b) = (installation.tenant().await, installation.tenant().await);
    let (mut a, mut b) = (Artefacts::of(&a).await, Artefacts::of(&b).await);
    let mut table = String::new();
    for operation in operations() {
        let mut tried = BTreeSet::new();
        let takes_codes = operation.id == "exchange_token";
        if takes_codes {
            // One lives for a minute, and all that came before may have taken longer.
            a.renew_code().await;
            b.renew_code().await;
        }
        for place in operation.places() {
            let what = operation.artefact_at(&place);
            for (theirs, here) in [(&a, &b), (&b, &a)] {
                try_one(&operation, &place, what, theirs, here).await;
            }
            let answer = answer_of(&operation, &place, &nothing(what), &a).await;
            tried.insert(format!("{place} ({})", answer.status.as_u16()));
        }
        if takes_codes {
            for one in [&a, &b] {
                let code = one.get(What::Code, &operation.id);
                let answer = one.rp.redeem(1, &code, &[]).await;
                assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            }
        }
        assert!(
            tried.is_empty() == operation.takes_nothing(),
            "{} has nothing to try, or is said to have: {tried:?}",
            operation.id
        );
        let places = match tried.is_empty() {
            true => "takes nothing of a tenant's".to_owned(),
            false => tried.into_iter().collect::<Vec<_>>().join(", "),
        };
        writeln!(table, "| `{}` | {places} |", operation.id).unwrap();
    }
    unharmed(&a).await;
    unharmed(&b).await;
    compare_with_docs(&table);
}

async fn try_one(
    operation: &Operation,
    place: &Place,
    what: What,
    theirs: &Artefacts,
    here: &Artefacts,
) {
    let value = theirs.get(what, &operation.id);
    let foreign = answer_of(operation, place, &value, here).await;
    let said = format!("{} with another tenant's {what:?} at {place}", operation.id);
    for secret in theirs.all().filter(|one| **one != *value) {
        assert!(!foreign.text.contains(secret), "{said}: {foreign:?}");
    }
    if what == What::Cursor {
        // It is a position: it means nothing elsewhere, or where to go on in the list of this tenant.
        let fits = [StatusCode::OK, StatusCode::BAD_REQUEST].contains(&foreign.status);
        assert!(fits, "{said}: {foreign:?}");
        return;
    }
    let absent = answer_of(operation, place, &nothing(what), here).await;
    assert_eq!(seen(&foreign), seen(&absent), "{said}");
    if let Place::Credential(_) = place {
        // Nor does it tell whether there is such a tenant.
        let nowhere = operation
            .request(place, &value, here, "no-such-tenant")
            .await;
        if operation.is_admin() {
            assert_eq!(seen(&foreign), seen(&nowhere), "{said}, at no tenant");
        }
    }
    if operation.can_be_tried_with_ones_own(place) {
        let own = answer_of(operation, place, &here.get(what, &operation.id), here).await;
        assert_ne!(
            seen(&own),
            seen(&absent),
            "{said}: one's own has no effect either"
        );
    }
}

async fn answer_of(operation: &Operation, place: &Place, value: &str, here: &Artefacts) -> Answer {
    operation
        .request(place, value, here, &here.tenant.slug)
        .await
}

/// What a caller can tell one answer from another by.
fn seen(answer: &Answer) -> (u16, String, Vec<String>) {
    let mut body = answer.body.clone();
    let text = match &mut body {
        Value::Object(members) => {
            // The request's id.
            members.remove("instance");
            body.to_string()
        }
        // A page differs in its tokens from one time to the next; its title says what it is.
        Value::Null if answer.text.starts_with("<!") => {
            let title = answer.text.split("<title>").nth(1).unwrap_or_default();
            title
                .split("</title>")
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        _ => answer.text.clone(),
    };
    let name = |name: &str, end: char| {
        let value = answer.header(name);
        value.split(end).next().unwrap_or_default().to_owned()
    };
    let headers = vec![
        answer.header("www-authenticate").to_owned(),
        answer.header("content-type").to_owned(),
        answer.header("cache-control").to_owned(),
        // What follows is different each time: the value of a cookie, a sealed request.
        name("set-cookie", '='),
        name("location", '?'),
    ];
    (answer.status.as_u16(), text, headers)
}

/// Something of this kind that never was.
fn nothing(what: What) -> String {
    let jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    match what {
        What::UserId
        | What::SecretId
        | What::SessionId
        | What::GrantId
        | What::ConsentId
        | What::EventId
        | What::InitialTokenId
        | What::InvitationId => "01900000-0000-7000-8000-000000000000",
        What::ClientId | What::RegisteredClientId => "c_AAAAAAAAAAAAAAAAAAAA",
        What::Domain => "login.nowhere.example",
        What::Email => "nobody@nowhere.example",
        What::ExternalId => "external-nobody",
        What::KeyId => "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        What::Cursor => "AAAA",
        What::ETag => "\"1\"",
        What::AdminToken | What::UserToken | What::ClientAccessToken | What::IdToken => jwt,
        What::AccessCookie => return format!("tokenhouse_access={jwt}"),
        What::BrowserCookies => {
            "tokenhouse_browser=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; tokenhouse_accounts=thb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        }
        What::RefreshCookie => "tokenhouse_refresh=thr_AAAAAAAAAAAAAAAA",
        What::RefreshToken | What::ClientRefreshToken => "thr_AAAAAAAAAAAAAAAA",
        What::ClientCredentials => "ths_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        What::Code => "thc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        What::InvitationToken => "thi_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        What::InitialToken => "tha_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        What::RegistrationToken => {
            "c_AAAAAAAAAAAAAAAAAAAA thm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        }
    }
    .to_owned()
}

/// Nothing that was tried elsewhere was used up, ended or changed by it.
async fn unharmed(artefacts: &Artefacts) {
    let tenant: &Tenant = &artefacts.tenant;
    let get = |what| artefacts.get(what, "");
    let answer = tenant.current_user(1, &get(What::UserToken)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = tenant.refresh(1, &get(What::RefreshToken)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = artefacts
        .rp
        .refresh(1, &get(What::ClientRefreshToken), &[])
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let body = serde_json::json!({
        "name": "Invited",
        "email": invited(tenant),
        "password": PASSWORD,
        "invitation": get(What::InvitationToken),
    });
    let client = tenant.client(1);
    let answer = client.post(&tenant.path("/auth/signup"), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

/// The file is what an auditor reads: it says what this test did, or the test fails.
fn compare_with_docs(table: &str) {
    let head = include_str!("head.md");
    let text = format!(
        "{head}\n| operation | tried with another tenant's, at (answer) |\n|---|---|\n{table}"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/isolation.md");
    if std::env::var_os("TOKENHOUSE_TEST_WRITE_ISOLATION").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/isolation.md is not what was tried: write it anew with TOKENHOUSE_TEST_WRITE_ISOLATION=1"
    );
}
