//! Who gets to hold a domain.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{FileServer, claim, fresh_domain, operator, publish, verify};
use crate::{
    admin::administrators::ask,
    harness::{Installation, OPERATOR_TOKEN, PUBLIC_URL, on_every_backend, until},
};

on_every_backend!(
    a_domain_is_verified_by_its_txt_record,
    of_two_tenants_that_prove_a_domain_at_once_one_holds_it,
    a_claim_that_is_removed_while_it_is_proved_leaves_nothing_held,
    a_tenant_has_as_many_domains_as_its_settings_let,
    domains_are_listed_read_changed_and_removed,
    what_is_no_host_on_the_internet_is_refused,
);

async fn a_domain_is_verified_by_its_txt_record(installation: Installation) {
    let tenant = installation.tenant().await;
    let domain = fresh_domain();
    let made = claim(&tenant, &domain.to_uppercase()).await;
    assert_eq!(
        (&made["domain"], &made["state"], &made["issuer"]),
        (&json!(domain), &json!("pending"), &json!(false))
    );
    let record = format!("_tokenhouse-challenge.{domain}");
    assert_eq!(made["dns_record"]["name"], record);
    assert_eq!(made["dns_record"]["type"], "TXT");
    assert_eq!(made["http_file"]["body"], made["dns_record"]["value"]);
    let value = made["dns_record"]["value"].as_str().unwrap();
    assert!(
        value.starts_with("tokenhouse-domain-verification="),
        "{value}"
    );

    let refused = |detail: &'static str| {
        let (tenant, domain) = (tenant.clone(), domain.clone());
        async move {
            let answer = verify(&tenant, 1, &domain).await;
            answer.assert_problem(409, "domain-not-verified");
            let text = answer.body["detail"].as_str().unwrap();
            assert!(text.contains(detail), "{text}");
        }
    };
    refused("there is no TXT record").await;
    // Nor at the domain itself.
    installation.names.add_txt(&domain, &[value]);
    refused("there is no TXT record").await;
    installation.names.add_txt(&record, &["v=spf1 -all"]);
    refused("the TXT record has another value").await;
    installation
        .names
        .add_txt(&record, &[&value[..value.len() - 1]]);
    refused("none of the 2 TXT records").await;
    // Long records come in parts.
    let (one, other) = value.split_at(20);
    installation.names.add_txt(&record, &[one, other]);
    for n in [1, 0] {
        let answer = verify(&tenant, n, &domain).await;
        assert_eq!(answer.body["state"], "verified", "{answer:?}");
        assert!(answer.body["verified_at"].is_string());
    }
    // It was looked for once: it may go.
    installation.names.clear_txt(&record);
    let answer = verify(&tenant, 0, &domain).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

    for (event, details) in [
        ("domain.added", json!({})),
        ("domain.verified", json!({ "method": "dns" })),
    ] {
        let path = format!("/audit-events?event={event}&target={domain}");
        let entry = until(event, async || {
            let page = ask(&tenant, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
            page.body["items"].get(0).cloned()
        })
        .await;
        assert_eq!(entry["details"], details, "{entry}");
    }
}

async fn of_two_tenants_that_prove_a_domain_at_once_one_holds_it(installation: Installation) {
    let (acme, other) = (installation.tenant().await, installation.tenant().await);
    let domain = fresh_domain();
    let (ours, theirs) = (claim(&acme, &domain).await, claim(&other, &domain).await);
    assert_ne!(ours["dns_record"]["value"], theirs["dns_record"]["value"]);
    publish(&installation, &ours);
    // Another tenant's proof is nothing to this one, and says nothing of that one.
    verify(&other, 0, &domain)
        .await
        .assert_problem(409, "domain-not-verified");
    publish(&installation, &theirs);
    let (one, two) = tokio::join!(verify(&acme, 0, &domain), verify(&other, 1, &domain));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {two:?}");
    let (winner, loser, refused) = match one.status {
        StatusCode::OK => (&acme, &other, two),
        _ => (&other, &acme, one),
    };
    refused.assert_problem(409, "domain-taken");
    let still = operator(loser, 0, Method::GET, &format!("/{domain}"), None).await;
    assert_eq!(still.body["state"], "pending", "{still:?}");
    // Who proves nothing isn't told that it is taken.
    let nobody = installation.tenant().await;
    claim(&nobody, &domain).await;
    verify(&nobody, 0, &domain)
        .await
        .assert_problem(409, "domain-not-verified");

    // A tenant that ends gives its domains up at once.
    let path = format!("/admin/v1/tenants/{}", winner.slug);
    let ended = winner.client(0).operator(Method::DELETE, &path, None).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let answer = verify(loser, 0, &domain).await;
    assert_eq!(answer.body["state"], "verified", "{answer:?}");
    // And so does one that removes it.
    let gone = operator(loser, 1, Method::DELETE, &format!("/{domain}"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let third = installation.tenant().await;
    publish(&installation, &claim(&third, &domain).await);
    let answer = verify(&third, 0, &domain).await;
    assert_eq!(answer.body["state"], "verified", "{answer:?}");
}

async fn a_claim_that_is_removed_while_it_is_proved_leaves_nothing_held(
    installation: Installation,
) {
    let (acme, other) = (installation.tenant().await, installation.tenant().await);
    for n in 0..20 {
        let domain = fresh_domain();
        publish(&installation, &claim(&acme, &domain).await);
        let path = format!("/{domain}");
        let remove = async {
            // At another moment of the verification each time.
            tokio::time::sleep(Duration::from_millis(n)).await;
            operator(&acme, 1, Method::DELETE, &path, None).await
        };
        let (verified, removed) = tokio::join!(verify(&acme, 0, &domain), remove);
        assert_eq!(removed.status, StatusCode::NO_CONTENT, "{removed:?}");
        assert!(
            matches!(verified.status.as_u16(), 200 | 404 | 412),
            "{verified:?}"
        );
        operator(&acme, 0, Method::GET, &path, None)
            .await
            .assert_problem(404, "not-found");
        // So it is free.
        publish(&installation, &claim(&other, &domain).await);
        let theirs = verify(&other, 0, &domain).await;
        assert_eq!(theirs.status, StatusCode::OK, "{theirs:?}");
    }
}

async fn a_tenant_has_as_many_domains_as_its_settings_let(installation: Installation) {
    let tenant = installation.tenant().await;
    let few = Some(json!({ "domains_max": 2 }));
    let set = ask(&tenant, 1, OPERATOR_TOKEN, Method::PATCH, "/settings", few).await;
    assert_eq!(set.body["domains_max"], 2, "{set:?}");
    for _ in 0..2 {
        claim(&tenant, &fresh_domain()).await;
    }
    let body = json!({ "domain": fresh_domain() });
    operator(&tenant, 1, Method::POST, "", Some(body))
        .await
        .assert_problem(409, "too-many-domains");
}

async fn domains_are_listed_read_changed_and_removed(installation: Installation) {
    let tenant = installation.tenant().await;
    let mut names: Vec<_> = (0..5).map(|_| fresh_domain()).collect();
    for name in &names {
        claim(&tenant, name).await;
    }
    names.sort();
    let body = json!({ "domain": names[0] });
    operator(&tenant, 0, Method::POST, "", Some(body))
        .await
        .assert_problem(409, "domain-already-added");
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = operator(&tenant, 1, Method::GET, &format!("?limit=2{cursor}"), None).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let items = page.body["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["domain"].as_str().unwrap().to_owned()),
        );
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, names);

    let path = format!("/{}", names[0]);
    let read = operator(&tenant, 0, Method::GET, &path, None).await;
    let issuer = || Some(json!({ "issuer": true }));
    operator(&tenant, 0, Method::PATCH, &path, issuer())
        .await
        .assert_problem(409, "domain-not-verified");
    publish(&installation, &read.body);
    let verified = verify(&tenant, 0, &names[0]).await;
    assert_eq!(verified.status, StatusCode::OK, "{verified:?}");
    let client = tenant.client(1);
    let full = format!("/admin/v1/tenants/{}/domains{path}", tenant.slug);
    let patch = async |tag: &str| {
        let request = client
            .request(Method::PATCH, &full)
            .bearer_auth(OPERATOR_TOKEN);
        client
            .send(
                request
                    .header("if-match", tag)
                    .json(&json!({ "issuer": true })),
            )
            .await
    };
    patch(read.header("etag"))
        .await
        .assert_problem(412, "stale-update");
    let changed = patch(verified.header("etag")).await;
    assert_eq!(changed.body["issuer"], true, "{changed:?}");
    assert_ne!(changed.header("etag"), verified.header("etag"));
    let wrong = Some(json!({ "issuer": "yes" }));
    let wrong = operator(&tenant, 0, Method::PATCH, &path, wrong).await;
    wrong.assert_problem(400, "invalid-body");
    assert_eq!(wrong.pointers(), ["/issuer"]);

    let gone = operator(&tenant, 0, Method::DELETE, &path, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for (method, rest) in [
        (Method::DELETE, path.clone()),
        (Method::GET, path.clone()),
        (Method::POST, format!("{path}/verify")),
    ] {
        operator(&tenant, 1, method, &rest, None)
            .await
            .assert_problem(404, "not-found");
    }
}

async fn what_is_no_host_on_the_internet_is_refused(installation: Installation) {
    let tenant = installation.tenant().await;
    for name in [
        "",
        "127.0.0.1",
        "0x7f.1",
        "::1",
        "localhost",
        "acme",
        "login.acme.example.",
        "login.acme.example:443",
        "https://login.acme.example",
        "a_b.example",
        "*.acme.example",
    ] {
        let body = json!({ "domain": name });
        let answer = operator(&tenant, 0, Method::POST, "", Some(body)).await;
        answer.assert_problem(400, "invalid-body");
        assert_eq!(answer.pointers(), ["/domain"], "{name}");
    }
    // A name below localhost leads to this machine, as this installation's own address does.
    assert!(PUBLIC_URL.contains("//localhost:"));
    let domain = format!("login.{}.localhost", tenant.slug);
    claim(&tenant, &domain).await;
    let answer = verify(&tenant, 0, &domain).await;
    assert_eq!(answer.body["state"], "verified", "{answer:?}");
}

/// T85, T88: what can't be had is one answer, whatever is there.
#[tokio::test]
async fn a_domain_is_verified_by_a_file_and_tells_nothing_of_what_is_inside() {
    const PATH: &str = "/.well-known/tokenhouse-domain-verification";
    let files = FileServer::start(PATH).await;
    let installation = Installation::public_at(files.port).await;
    let tenant = installation.tenant().await;
    let domain = fresh_domain();
    let made = claim(&tenant, &domain).await;
    assert_eq!(
        made["http_file"]["url"],
        format!("http://{domain}:{}{PATH}", files.port)
    );
    let detail = async || {
        let answer = verify(&tenant, 0, &domain).await;
        assert_eq!(answer.status.as_u16(), 409, "{answer:?}");
        answer.body["detail"].as_str().unwrap().to_owned()
    };
    let nothing = detail().await;
    assert!(
        nothing.contains("the address did not answer with a text"),
        "{nothing}"
    );
    installation
        .names
        .add_address(&domain, "127.0.0.1".parse().unwrap());
    let another = detail().await;
    assert!(
        another.contains("the address answered another text"),
        "{another}"
    );
    let proof = made["http_file"]["body"].as_str().unwrap();
    *files.body.lock().unwrap() = format!("{proof}{}", " ".repeat(2_000));
    assert_eq!(detail().await, nothing, "too long is no text");
    *files.body.lock().unwrap() = format!("{proof}\n");
    let answer = verify(&tenant, 1, &domain).await;
    assert_eq!(answer.body["state"], "verified", "{answer:?}");

    // A name that leads where requests must not go answers like one that leads nowhere.
    let inside = fresh_domain();
    claim(&tenant, &inside).await;
    installation
        .names
        .add_address(&inside, "10.0.0.1".parse().unwrap());
    let answer = verify(&tenant, 0, &inside).await;
    assert_eq!(answer.body["detail"], nothing, "{answer:?}");
}
