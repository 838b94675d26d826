//! The admin API from a terminal.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

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
        let url = format!("http://{}", self.installation.instances[0].public_address);
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
