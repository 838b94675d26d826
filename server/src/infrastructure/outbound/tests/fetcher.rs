//! Where requests go, and what they carry.

use std::sync::Arc;

use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::{
    super::fetcher::Fetcher,
    listener::{LOOPBACK, Listener, TestNames, answer, fetcher},
    somebody,
};
use crate::application::ports::{Outbound, OutboundError};

#[tokio::test]
async fn an_allowed_network_is_reached_by_address_and_by_name() {
    let keys = Listener::answering(answer("200 OK", "", r#"{"keys":[]}"#)).await;
    let names = TestNames::with("rp.example", &[&["127.0.0.1"]]);
    let fetcher = fetcher(LOOPBACK, names);
    for host in ["127.0.0.1", "localhost", "app.localhost", "rp.example"] {
        let url = keys.url(host);
        assert_eq!(fetcher.may_fetch(&url), Ok(()), "{host}");
        assert_eq!(
            fetcher.get_json(somebody(), &url).await,
            Ok(json!({ "keys": [] })),
            "{host}"
        );
    }
    for request in keys.requests() {
        assert!(request.starts_with("get /keys http/1.1\r\n"), "{request}");
        for line in ["user-agent: tokenhouse\r\n", "accept-encoding: identity"] {
            assert!(request.contains(line), "{request}");
        }
        assert!(!request.contains("referer"), "{request}");
    }
}

#[tokio::test]
async fn a_form_is_posted_and_its_answer_not_read() {
    for (status, expected) in [
        ("200 OK", Ok(())),
        ("204 No Content", Ok(())),
        ("202 Accepted", Err(OutboundError::Failed)),
        ("400 Bad Request", Err(OutboundError::Failed)),
        ("302 Found", Err(OutboundError::Failed)),
    ] {
        let rp = Listener::answering(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 99999999\r\n\r\n"
        ))
        .await;
        let posted = fetcher(LOOPBACK, Arc::default())
            .post_form(
                somebody(),
                &rp.url("127.0.0.1"),
                &[("logout_token", "a.b+c")],
            )
            .await;
        assert_eq!(posted, expected, "{status}");
        let requests = rp.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].starts_with("post /keys"), "{requests:?}");
        assert!(
            requests[0].contains("content-type: application/x-www-form-urlencoded\r\n"),
            "{requests:?}"
        );
        assert!(
            requests[0].ends_with("\r\n\r\nlogout_token=a.b%2bc"),
            "{requests:?}"
        );
    }
}

/// T85.
#[tokio::test]
async fn a_name_that_leads_inside_is_never_connected_to() {
    let canary = Listener::answering(answer("200 OK", "", "{}")).await;
    let mut url = canary.url("rp.example");
    for answers in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["0.0.0.0"],
        &["::"],
    ] {
        let names = TestNames::with("rp.example", &[answers]);
        // Another network is allowed: http is a question of the address then.
        let fetcher = fetcher("10.0.0.0/8", names);
        for scheme in ["http", "https"] {
            url.set_scheme(scheme).unwrap();
            assert_eq!(fetcher.may_fetch(&url), Ok(()));
            assert_eq!(
                fetcher.get_json(somebody(), &url).await,
                Err(OutboundError::Forbidden),
                "{scheme} {answers:?}"
            );
        }
    }
    assert_eq!(canary.connections(), 0);
}

/// T85.
#[tokio::test]
async fn an_address_inside_is_never_connected_to() {
    let canary = Listener::answering(answer("200 OK", "", "{}")).await;
    let fetcher = fetcher("", Arc::default());
    for host in [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0",
        "localhost",
    ] {
        for scheme in ["http", "https"] {
            let mut url = canary.url(host);
            url.set_scheme(scheme).unwrap();
            assert_eq!(fetcher.may_fetch(&url), Err(OutboundError::Forbidden));
            assert_eq!(
                fetcher.get_json(somebody(), &url).await,
                Err(OutboundError::Forbidden)
            );
            assert_eq!(
                fetcher.post_form(somebody(), &url, &[]).await,
                Err(OutboundError::Forbidden)
            );
        }
    }
    assert_eq!(canary.connections(), 0);
}

/// DNS rebinding: the address that was checked is the one that is connected to.
#[tokio::test]
async fn a_name_is_looked_up_once_an_exchange() {
    let keys = Listener::answering(answer("200 OK", "", "{}")).await;
    let names = TestNames::with("rp.example", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let fetcher = fetcher(LOOPBACK, Arc::clone(&names));
    let url = keys.url("rp.example");
    assert_eq!(fetcher.get_json(somebody(), &url).await, Ok(json!({})));
    assert_eq!(names.asked(), 1);
    // Nor is a connection kept that an earlier answer was good for.
    assert_eq!(
        fetcher.get_json(somebody(), &url).await,
        Err(OutboundError::Forbidden)
    );
    assert_eq!(names.asked(), 2);
}

/// T86.
#[tokio::test]
async fn redirects_are_not_followed() {
    let canary = Listener::answering(answer("200 OK", "", "{}")).await;
    for status in ["301", "302", "303", "307", "308"] {
        let location = format!("Location: {}\r\n", canary.url("127.0.0.1"));
        let rp = Listener::answering(answer(&format!("{status} Moved"), &location, "{}")).await;
        let fetcher = fetcher(LOOPBACK, Arc::default());
        let url = rp.url("127.0.0.1");
        assert_eq!(
            fetcher.get_json(somebody(), &url).await,
            Err(OutboundError::Failed)
        );
        assert_eq!(
            fetcher.post_form(somebody(), &url, &[("a", "b")]).await,
            Err(OutboundError::Failed)
        );
    }
    assert_eq!(canary.connections(), 0);
}

/// T88.
#[tokio::test]
async fn an_error_does_not_tell_what_was_found() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody: Url = format!("http://{}/keys", closed.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(closed);
    let silent = Listener::answering("").await;
    let ssh = Listener::answering("SSH-2.0-OpenSSH_9.6\r\n").await;
    let missing = Listener::answering(answer("404 Not Found", "", "{}")).await;
    let fetcher = fetcher(LOOPBACK, Arc::default());
    let answering = [silent, ssh, missing].map(|listener| listener.url("127.0.0.1"));
    for url in answering.into_iter().chain([nobody]) {
        let error = fetcher.get_json(somebody(), &url).await.unwrap_err();
        assert_eq!(error, OutboundError::Failed);
        assert!(std::error::Error::source(&error).is_none());
    }
    let unknown = "https://nobody.example/".parse().unwrap();
    assert_eq!(
        fetcher.get_json(somebody(), &unknown).await,
        Err(OutboundError::Failed)
    );
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_name_the_host() {
    let made = rcgen::generate_simple_self_signed(["rp.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let sent = stream
                    .write_all(answer("200 OK", "", "{}").as_bytes())
                    .await;
                assert!(sent.is_ok() && stream.shutdown().await.is_ok());
            }
        }
    });

    let mut trusted = RootCertStore::empty();
    trusted.add(made.cert.der().clone()).unwrap();
    for (roots, name, expected) in [
        (trusted.clone(), "rp.example", Ok(json!({}))),
        (trusted, "other.example", Err(OutboundError::Failed)),
        (
            RootCertStore::empty(),
            "rp.example",
            Err(OutboundError::Failed),
        ),
    ] {
        let names = TestNames::with(name, &[&["127.0.0.1"]]);
        let fetcher = Fetcher::with(LOOPBACK.parse().unwrap(), names, roots).unwrap();
        let url = format!("https://{name}:{port}/").parse().unwrap();
        assert_eq!(fetcher.get_json(somebody(), &url).await, expected, "{name}");
    }
}

#[test]
fn the_authorities_of_the_web_are_trusted() {
    assert!(Fetcher::new("".parse().unwrap(), &[]).is_ok());
}
