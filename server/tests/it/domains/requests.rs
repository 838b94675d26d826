//! What a domain serves, and what requests can say about it.

use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{held, serves};
use crate::{
    harness::{Answer, Installation, PASSWORD, Tenant, on_every_backend, until},
    oidc::{browser::Browser, rp::Rp},
};

on_every_backend!(
    a_domain_serves_its_tenant_and_nothing_else,
    cookies_of_a_domain_are_for_all_of_it_and_for_it_alone,
    a_suspended_tenant_is_gone_from_its_domain_too,
);

async fn a_domain_serves_its_tenant_and_nothing_else(installation: Installation) {
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    for issuer in [false, true] {
        let here = held(&installation, &tenant, issuer).await;
        let client = here.client(0);
        for path in [
            "/admin/v1/tenants",
            "/problems/not-found",
            "/openapi.yaml",
            "/",
            "/livez",
            &tenant.path("/.well-known/openid-configuration"),
            &other.path("/.well-known/openid-configuration"),
            &format!("/.well-known/openid-configuration/t/{}", other.slug),
            &format!("/.well-known/oauth-authorization-server/t/{}", tenant.slug),
            &format!("/..{}", other.path("/oauth2/jwks")),
            &format!("/%2e%2e/{}/oauth2/jwks", other.slug),
            &format!("//t/{}/oauth2/jwks", other.slug),
        ] {
            let answer = client.operator(Method::GET, path, None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
        }
        let email = tenant.user().await;
        // Another tenant's user is nobody here.
        let body = json!({ "email": other.user().await, "password": PASSWORD });
        client
            .post("/auth/login", body)
            .await
            .assert_problem(401, "wrong-credentials");
        // The pages stay on the domain, from the first to the last.
        let rp = Rp::new(&tenant, json!({ "first_party": true })).await;
        let rp = Rp {
            tenant: here.clone(),
            ..rp
        };
        let mut browser = Browser::new(&here);
        let page = browser.open(&rp.authorize(&[])).await.page();
        assert!(page.path.starts_with("/login?request="), "{}", page.path);
        assert_eq!(page.form_action(), "/login");
        let end = browser.open(&rp.authorize(&[])).await;
        let callback = rp.walk(&mut browser, end, &email).await;
        let expected = if issuer {
            here.issuer()
        } else {
            tenant.issuer()
        };
        assert_eq!(callback.get("iss"), expected);
        let answer = rp.redeem(1, callback.get("code"), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        // One sign-in serves the whole domain, and no other address of the tenant.
        let end = browser.open(&rp.authorize(&[("prompt", "none")])).await;
        assert_ne!(end.callback().get("code"), "");
        // Whoever has the host after us is sent its cookies: they must open nothing elsewhere.
        let mut elsewhere = Browser::new(&tenant);
        for pair in browser.cookies().split("; ") {
            let (name, value) = pair.split_once('=').unwrap();
            elsewhere.set_cookie(name, value);
        }
        let at_path = Rp {
            tenant: tenant.clone(),
            ..rp.clone()
        };
        let end = elsewhere
            .open(&at_path.authorize(&[("prompt", "none")]))
            .await;
        assert_eq!(end.callback().get("error"), "login_required");
        let docs = client.get("/docs").await;
        assert_eq!(docs.header("location"), "/docs/", "{docs:?}");
    }
}

fn cookie_paths(answer: &Answer) -> Vec<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    let mut paths: Vec<_> = cookies
        .map(|value| {
            let text = value.to_str().unwrap();
            assert!(!text.contains("Domain="), "{text}");
            let path = text.split("; ").find(|part| part.starts_with("Path="));
            format!("{} {}", text.split('=').next().unwrap(), path.unwrap())
        })
        .collect();
    paths.sort();
    paths
}

async fn cookies_of_a_domain_are_for_all_of_it_and_for_it_alone(installation: Installation) {
    let tenant = installation.tenant().await;
    let here = held(&installation, &tenant, false).await;
    let email = tenant.user().await;
    let body = json!({ "email": email, "password": PASSWORD });
    let client = here.client(0);
    let answer = client.post("/auth/login", body).await;
    assert_eq!(
        cookie_paths(&answer),
        ["tokenhouse_access Path=/", "tokenhouse_refresh Path=/auth"]
    );
    let cookies: Vec<_> = answer
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|value| {
            value
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    let refresh = async |address: &Tenant, origin: &str| {
        let client = address.client(1);
        let request = client
            .request(Method::POST, &address.path("/auth/refresh"))
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ORIGIN, origin);
        client.send(request).await
    };
    // Pages of the domain itself may use them, those of the server's other addresses may not.
    for origin in [tenant.public_url.as_str(), "http://evil.example"] {
        refresh(&here, origin)
            .await
            .assert_problem(403, "foreign-origin");
    }
    refresh(&tenant, &here.public_url)
        .await
        .assert_problem(403, "foreign-origin");
    let answer = refresh(&here, &here.public_url).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let page = client.get("/signup").await;
    for path in cookie_paths(&page) {
        assert!(path.ends_with(" Path=/"), "{path}");
    }
}

async fn a_suspended_tenant_is_gone_from_its_domain_too(installation: Installation) {
    let tenant = installation.tenant().await;
    let here = held(&installation, &tenant, true).await;
    let nowhere = tenant.at_domain("nobody.example");
    for (what, status) in [("suspend", 404), ("resume", 200)] {
        let path = format!("/admin/v1/tenants/{}/{what}", tenant.slug);
        let answer = tenant.client(0).operator(Method::POST, &path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        for n in [0, 1] {
            for path in [
                "/.well-known/openid-configuration",
                "/oauth2/jwks",
                "/login",
            ] {
                until(what, async || {
                    let answer = here.client(n).get(path).await;
                    let login = path == "/login" && status == 200;
                    let fits = answer.status.as_u16() == status || login;
                    fits.then_some(())
                })
                .await;
            }
        }
        if status == 404 {
            for path in ["/.well-known/openid-configuration", "/oauth2/jwks"] {
                let (mut gone, mut never) = (
                    here.client(0).get(path).await.body,
                    nowhere.client(0).get(path).await.body,
                );
                gone["instance"] = json!(null);
                never["instance"] = json!(null);
                assert_eq!(gone, never);
            }
        }
    }
    serves(&here, 0).await;
}

/// T55, T56: a header chooses between tenants' own domains, and is never repeated.
#[tokio::test]
async fn nothing_but_the_host_of_a_request_leads_to_a_domain() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let here = held(&installation, &tenant, true).await;
    let elsewhere = held(&installation, &other, true).await;
    let host = |tenant: &Tenant| tenant.public_url.trim_start_matches("http://").to_owned();
    let metadata = "/.well-known/openid-configuration";
    let clean = tenant.client(0).get(&tenant.path(metadata)).await;
    let at_domain = here.client(0).get(metadata).await;
    for (name, value) in [
        ("x-forwarded-host", host(&elsewhere)),
        ("x-forwarded-proto", "https".to_owned()),
        ("x-original-host", host(&elsewhere)),
        (
            "forwarded",
            format!("host={};proto=https", host(&elsewhere)),
        ),
    ] {
        let client = tenant.client(0);
        let request = client.request(Method::GET, &tenant.path(metadata));
        let answer = client.send(request.header(name, &value)).await;
        assert_eq!(answer.body, clean.body, "{name}");
        let client = here.client(0);
        let request = client.request(Method::GET, metadata);
        let answer = client.send(request.header(name, &value)).await;
        assert_eq!(answer.body, at_domain.body, "{name}");
        // Without a host of its own a request reaches no domain.
        let client = tenant.client(0);
        let request = client.request(Method::GET, metadata);
        let answer = client.send(request.header(name, &value)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    // Letters of any case and any port are the same host; a dot, a user name or an address are none.
    let domain = host(&here).split(':').next().unwrap().to_owned();
    for (spelling, status) in [
        (domain.to_uppercase(), 200),
        (domain.clone(), 200),
        (format!("{domain}:1"), 200),
        (format!("{domain}."), 404),
        (format!("x.{domain}"), 404),
        (format!("{domain}.evil.example"), 404),
        (format!("user@{domain}"), 404),
        ("evil.example".to_owned(), 404),
        ("127.0.0.1".to_owned(), 404),
    ] {
        let client = tenant.client(0).at_host(&spelling);
        let answer = client.get(metadata).await;
        assert_eq!(answer.status.as_u16(), status, "{spelling}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.body, at_domain.body, "{spelling}");
        } else {
            // As ever: the tenant is in the path.
            let answer = client.get(&tenant.path(metadata)).await;
            assert_eq!(answer.body, clean.body, "{spelling}");
        }
    }
    // The request line goes before the header (RFC 9112 §3.2.2), and two headers are none.
    let address = installation.instances[0].public_address;
    let raw = async |head: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = raw(format!(
        "GET http://{}{metadata} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        host(&here),
        host(&elsewhere)
    ))
    .await;
    assert!(
        answer.contains(&format!("\"issuer\":\"{}\"", here.issuer())),
        "{answer}"
    );
    let answer = raw(format!(
        "GET {metadata} HTTP/1.1\r\nHost: {}\r\nHost: {}\r\nConnection: close\r\n\r\n",
        host(&here),
        host(&elsewhere)
    ))
    .await;
    let status = answer.split(' ').nth(1).unwrap();
    assert!(["400", "404"].contains(&status), "{answer}");
}
