//! The admin API from a terminal.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Installation, OPERATOR_TOKEN, PASSWORD};

/// The program, told where a server is.
struct Cli {
    installation: Installation,
    folder: TempDir,
}

struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, Some(0), "{} {}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl Cli {
    async fn new() -> Self {
        let installation = Installation::reachable().await;
        let folder = tempfile::tempdir().unwrap();
        let cli = Self {
            installation,
            folder,
        };
        cli.file("token", &format!("# the operator's\n{OPERATOR_TOKEN}\n"));
        cli
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_at(self.installation.instances[0].public_address, arguments)
            .await
    }

    async fn run_at(&self, address: SocketAddr, arguments: &[&str]) -> Ran {
        let url = format!("http://{address}");
        let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_tokenhouse"))
            .args(arguments)
            .args(["--url", &url])
            .arg("--token-file")
            .arg(self.folder.path().join("token"))
            .env_clear()
            .output()
            .await
            .unwrap();
        Ran {
            status: ran.status.code(),
            out: String::from_utf8(ran.stdout).unwrap(),
            err: String::from_utf8(ran.stderr).unwrap(),
        }
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat())
            .await
            .json()
    }
}

#[tokio::test]
async fn an_operator_runs_tenants_without_curl() {
    let cli = Cli::new().await;
    let settings = r#"{"access_token_ttl":600}"#;
    let made = cli
        .json(&[
            "tenant",
            "create",
            "acme",
            "--name",
            "Acme Inc.",
            "--settings",
            settings,
        ])
        .await;
    assert_eq!(
        (&made["slug"], &made["name"]),
        (&json!("acme"), &json!("Acme Inc."))
    );
    for n in 0..3 {
        cli.json(&["tenant", "create", &format!("b{n}")]).await;
    }
    let list = cli.run(&["tenant", "list", "--limit", "2"]).await;
    let lines: Vec<_> = list.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", list.out);
    assert!(lines[0].starts_with("SLUG  NAME"), "{}", list.out);
    assert!(
        lines[1].starts_with("acme  Acme Inc.  active"),
        "{}",
        list.out
    );
    assert_eq!(
        cli.json(&["tenant", "list", "--q", "b"])
            .await
            .as_array()
            .unwrap()
            .len(),
        3
    );

    let shown = cli.json(&["tenant", "settings", "acme"]).await;
    assert_eq!(shown["access_token_ttl"], 600);
    let set = r#"{"access_token_ttl":null}"#;
    let changed = cli
        .json(&["tenant", "settings", "acme", "--set", set])
        .await;
    assert_eq!(changed["access_token_ttl"], 900);
    let renamed = cli.json(&["tenant", "rename", "b0", "Other"]).await;
    assert_eq!(renamed["name"], "Other");
    assert_eq!(
        cli.json(&["tenant", "suspend", "b0"]).await["state"],
        "suspended"
    );
    assert_eq!(
        cli.json(&["tenant", "resume", "b0"]).await["state"],
        "active"
    );

    let kept = cli.run(&["tenant", "delete", "b0"]).await;
    assert_eq!(kept.status, Some(1));
    assert!(kept.err.contains("--yes"), "{}", kept.err);
    let gone = cli.run(&["tenant", "delete", "b0", "--yes"]).await;
    assert_eq!(
        (gone.status, gone.out.as_str()),
        (Some(0), "tenant b0 is deleted\n")
    );
    let missing = cli.run(&["tenant", "get", "b0"]).await;
    assert_eq!((missing.status, missing.out.as_str()), (Some(1), ""));
    assert!(missing.err.contains("(404)"), "{}", missing.err);
    let wrong = cli
        .run(&["tenant", "create", "No Slug", "--name", ""])
        .await;
    assert!(wrong.err.contains("slug must have"), "{}", wrong.err);
}

#[tokio::test]
async fn users_clients_and_keys_have_commands_too() {
    let cli = Cli::new().await;
    cli.json(&["tenant", "create", "acme"]).await;
    let password = cli.file("password", &format!("{PASSWORD}\n"));
    let ada = cli
        .json(&[
            "user",
            "create",
            "acme",
            "--email",
            "ada@example.com",
            "--name",
            "Ada",
            "--password-file",
            password.to_str().unwrap(),
        ])
        .await;
    let id = ada["user_id"].as_str().unwrap();
    assert_eq!(
        cli.json(&["user", "disable", "acme", id]).await["state"],
        "disabled"
    );
    assert_eq!(
        cli.json(&["user", "enable", "acme", id]).await["state"],
        "active"
    );
    let patch = r#"{"name":"Ada Lovelace"}"#;
    let changed = cli
        .json(&["user", "update", "acme", id, "--set", patch])
        .await;
    assert_eq!(changed["name"], "Ada Lovelace");
    assert_eq!(
        cli.run(&["user", "end-sessions", "acme", id]).await.status,
        Some(0)
    );

    let lines = concat!(
        r#"{"external_id":"1","email":"b@example.com","name":"B"}"#,
        "\n",
        r#"{"external_id":"2","email":"no address","name":"C"}"#,
        "\n",
    );
    let file = cli.file("users.ndjson", lines);
    let imported = cli
        .run(&["user", "import", "acme", file.to_str().unwrap()])
        .await;
    assert_eq!(imported.status, Some(1), "one line was refused");
    assert!(imported.out.contains("/email"), "{}", imported.out);
    assert!(
        imported.err.contains("users_per_second"),
        "{}",
        imported.err
    );
    assert!(
        imported.err.contains("1 of 2 users were not imported"),
        "{}",
        imported.err
    );
    assert_eq!(
        cli.json(&["user", "list", "acme"])
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let web = cli
        .json(&[
            "client",
            "create",
            "acme",
            "--name",
            "Web",
            "--redirect-uri",
            "https://a.example/cb",
        ])
        .await;
    let client = web["client_id"].as_str().unwrap();
    assert!(web["client_secret"].as_str().unwrap().starts_with("ths_"));
    let secret = cli
        .json(&[
            "client",
            "add-secret",
            "acme",
            client,
            "--others-expire-in",
            "60",
        ])
        .await;
    assert!(
        secret["client_secret"]
            .as_str()
            .unwrap()
            .starts_with("ths_")
    );
    let secrets = cli.json(&["client", "secrets", "acme", client]).await;
    assert_eq!(secrets.as_array().unwrap().len(), 2);
    let secret = secret["id"].as_str().unwrap();
    assert_eq!(
        cli.run(&["client", "delete-secret", "acme", client, secret])
            .await
            .status,
        Some(0)
    );
    assert_eq!(
        cli.run(&["client", "delete", "acme", client, "--yes"])
            .await
            .status,
        Some(0)
    );

    let next = cli.json(&["key", "rotate", "acme"]).await;
    assert_eq!(next["state"], "next");
    let kid = next["kid"].as_str().unwrap();
    let early = cli.run(&["key", "activate", "acme", kid]).await;
    assert!(early.err.contains("It is ready at"), "{}", early.err);
    assert_eq!(
        cli.json(&["key", "revoke", "acme", kid, "--yes"]).await["state"],
        "revoked"
    );
    let table = cli.run(&["key", "list", "acme"]).await;
    assert!(table.out.starts_with("KID "), "{}", table.out);
    assert_eq!(
        cli.run(&["key", "delete", "acme", kid]).await.status,
        Some(0)
    );
    assert_eq!(cli.json(&["key", "master"]).await[0]["seals"], true);
}

#[tokio::test]
async fn domains_have_commands_too() {
    let cli = Cli::new().await;
    cli.json(&["tenant", "create", "acme"]).await;
    let made = cli
        .run(&["domain", "create", "acme", "login.acme.example"])
        .await;
    let record = "dns_record.name   _tokenhouse-challenge.login.acme.example";
    assert!(made.out.contains(record), "{}", made.out);
    let early = cli
        .run(&["domain", "verify", "acme", "login.acme.example"])
        .await;
    assert!(
        early.err.contains("there is no TXT record"),
        "{}",
        early.err
    );
    let shown = cli
        .json(&["domain", "get", "acme", "login.acme.example"])
        .await;
    let text = |name: &str| shown["dns_record"][name].as_str().unwrap();
    cli.installation
        .names
        .add_txt(text("name"), &[text("value")]);
    let verified = cli
        .json(&["domain", "verify", "acme", "login.acme.example"])
        .await;
    assert_eq!(verified["state"], "verified");
    let issuer = cli
        .json(&["domain", "issuer", "acme", "login.acme.example", "on"])
        .await;
    assert_eq!(issuer["issuer"], true);
    let table = cli.run(&["domain", "list", "acme"]).await;
    assert!(table.out.starts_with("DOMAIN "), "{}", table.out);
    let delete = ["domain", "delete", "acme", "login.acme.example"];
    assert_eq!(cli.run(&delete).await.status, Some(1));
    let delete = [&delete[..], &["--yes"]].concat();
    assert_eq!(cli.run(&delete).await.status, Some(0));
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_what_to_do() {
    let cli = Cli::new().await;
    cli.file("token", "tho_wrong\n");
    let refused = cli.run(&["tenant", "list"]).await;
    assert_eq!(refused.status, Some(1));
    assert!(refused.err.contains("--token-file"), "{}", refused.err);
    cli.file("token", "\n");
    let empty = cli.run(&["tenant", "list"]).await;
    assert!(empty.err.contains("the token is empty"), "{}", empty.err);
    let nowhere = cli
        .run(&["tenant", "list", "--url", "http://127.0.0.1:1"])
        .await;
    assert_eq!(nowhere.status, Some(2), "two addresses are one too many");
}

/// An id that a URL would take for another path must not reach another object.
#[tokio::test]
async fn ids_that_lead_elsewhere_are_never_sent() {
    let cli = Cli::new().await;
    cli.run(&["tenant", "create", "acme"]).await;
    for arguments in [
        &["key", "delete", "acme", "../../acme"][..],
        &["key", "delete", "acme", ".."],
        &["user", "end-sessions", "acme", "../suspend?"],
        &["user", "list", "acme?limit=1"],
        &["tenant", "get", "acme/settings"],
        &["tenant", "get", "%61cme"],
    ] {
        let ran = cli.run(arguments).await;
        assert_ne!(ran.status, Some(0), "{arguments:?}: {}", ran.out);
        assert!(
            ran.err.contains("must be an id"),
            "{arguments:?}: {}",
            ran.err
        );
    }
    let acme = cli
        .run(&["tenant", "get", "acme", "--output", "json"])
        .await;
    assert_eq!(acme.json()["state"], "active");
}

#[tokio::test]
async fn an_operator_invites_from_a_terminal() {
    let cli = Cli::new().await;
    cli.json(&["tenant", "create", "acme"]).await;
    let invite = ["user", "invite", "acme", "--email", "grace@example.com"];
    let first = cli
        .json(&[&invite[..], &["--name", "Grace", "--expires-in", "3600"]].concat())
        .await;
    let link = first["link"].as_str().unwrap();
    assert!(link.contains("/t/acme/signup?invitation=thi_"), "{first}");
    // For people too: it is told this once.
    let second = cli.run(&invite).await;
    assert!(
        second.out.contains("/t/acme/signup?invitation=thi_"),
        "{}",
        second.out
    );
    let states = async |state: &str| {
        let list = cli
            .json(&["user", "invitations", "acme", "--state", state])
            .await;
        let items = list.as_array().unwrap().clone();
        items
            .into_iter()
            .map(|one| one["invitation_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(states("revoked").await, [first["invitation_id"].clone()]);
    let pending = states("pending").await;
    let id = pending[0].as_str().unwrap();
    let revoked = cli.run(&["user", "revoke-invitation", "acme", id]).await;
    assert_eq!(
        (revoked.status, revoked.out),
        (Some(0), format!("invitation {id} is revoked\n"))
    );
    assert_eq!(states("pending").await, [] as [Value; 0]);
    let wrong = cli.run(&["user", "invite", "acme", "--email", "x"]).await;
    assert_eq!(wrong.status, Some(1));
    assert!(wrong.err.contains("email"), "{}", wrong.err);
}

/// A way to the server on which the first answer is lost: the request arrives, is carried out and answered,
/// and the caller sees a closed connection.
async fn losing_the_first_answer(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut upstream = TcpStream::connect(server).await.unwrap();
            if std::mem::take(&mut first) {
                let mut buffer = vec![0; 64 << 10];
                loop {
                    tokio::select! {
                        sent = caller.read(&mut buffer) => {
                            let sent = sent.unwrap();
                            upstream.write_all(&buffer[..sent]).await.unwrap();
                        }
                        () = async { upstream.readable().await.unwrap() } => break,
                    }
                }
                let answered = upstream.read(&mut buffer).await.unwrap();
                assert!(buffer[..answered].starts_with(b"HTTP/1.1 201"));
            } else {
                tokio::spawn(async move { copy_bidirectional(&mut caller, &mut upstream).await });
            }
        }
    });
    address
}

#[tokio::test]
async fn what_is_created_on_a_bad_line_is_created_once() {
    let cli = Cli::new().await;
    cli.json(&["tenant", "create", "acme"]).await;
    let server = cli.installation.instances[0].public_address;
    let create = ["registration-token", "create", "acme", "--uses", "3"];
    let create = [&create[..], &["--output", "json"]].concat();
    let bad = losing_the_first_answer(server).await;
    let made = cli.run_at(bad, &create).await.json();
    assert!(
        made["token"].as_str().unwrap().starts_with("tha_"),
        "{made}"
    );
    let list = cli.json(&["registration-token", "list", "acme"]).await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["id"], made["id"]);
    assert_eq!(list[0]["uses_left"], 3);

    let id = made["id"].as_str().unwrap();
    let shown = cli.json(&["registration-token", "get", "acme", id]).await;
    assert_eq!(shown, list[0]);
    let gone = cli.run(&["registration-token", "delete", "acme", id]).await;
    assert_eq!(gone.status, Some(0), "{}", gone.err);
    let list = cli.json(&["registration-token", "list", "acme"]).await;
    assert_eq!(list, json!([]));
}
