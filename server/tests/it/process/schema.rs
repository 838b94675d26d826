//! Which schemas `serve` runs on, and `migrate`.

use std::process::Stdio;

use sea_orm::ConnectionTrait;
use serde_json::Value;
use tokenhouse_migration::{Instances, Migrations, rehearsal};

use super::{command, free_port, settings, terminate, text};

#[test]
fn serve_refuses_a_schema_it_does_not_know_and_migrations_go_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let environment = settings(folder.path(), free_port(), free_port());
    let run = |arguments: &[&str]| {
        command(arguments)
            .envs(environment.clone())
            .output()
            .unwrap()
    };
    let refused = run(&["serve"]);
    assert!(!refused.status.success());
    assert!(
        text(&refused.stderr).contains("tokenhouse migrate up"),
        "{}",
        text(&refused.stderr)
    );

    let status = |expected: &str, code: i32| {
        let output = run(&["migrate", "status", "--output", "json", "--exit-code"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = report["migrations"].as_array().unwrap().clone();
        let applied = expected == "applied";
        assert!(all.iter().all(|one| one["applied"] == applied), "{report}");
        assert_eq!(report["may_serve"], applied);
        assert_eq!(output.status.code(), Some(code));
        all
    };
    let pending = status("pending", 3);
    assert_eq!(pending[0]["kind"], "base");
    let first = &pending[0]["statements"][0]["sql"];
    assert!(
        first.as_str().unwrap().starts_with("CREATE TABLE"),
        "{first}"
    );
    assert!(text(&run(&["migrate", "up"]).stdout).contains("applied m2026"));
    assert_eq!(
        text(&run(&["migrate", "up"]).stdout),
        "The schema is up to date.\n"
    );
    let steps = status("applied", 0).len().to_string();
    let people = run(&["migrate", "status"]);
    assert!(people.status.success());
    let people = text(&people.stdout);
    assert!(
        people.contains("applied m20261123_000001_create_tenants (base)\n"),
        "{people}"
    );
    assert!(people.ends_with("may serve on this schema.\n"), "{people}");
    assert!(
        run(&["migrate", "down", "--steps", &steps])
            .status
            .success()
    );
    status("pending", 3);
    let people = run(&["migrate", "status"]);
    assert!(people.status.success(), "by default only reading can fail");
    assert!(text(&people.stdout).contains("run `tokenhouse migrate up`"));
    assert!(run(&["migrate", "up"]).status.success());
}

/// The schema of the next version has more, which doesn't matter; one that lacks something does.
#[tokio::test]
async fn serve_starts_on_the_schema_of_the_next_version_and_not_on_a_contracted_one() {
    let folder = tempfile::tempdir().unwrap();
    let management = free_port();
    let environment = settings(folder.path(), free_port(), management);
    let url = format!("sqlite://{}/t.db", folder.path().display());
    let database = tokenhouse_server::infrastructure::database::connect(&url)
        .await
        .unwrap();
    let next = Migrations::current().followed_by(rehearsal::steps());
    let applied = next
        .up(database.connection(), Instances::MayRun, &|_| {})
        .await;
    assert!(applied.unwrap().len() > 2);

    let up = command(&["migrate", "up"])
        .envs(environment.clone())
        .output();
    let up = text(&up.unwrap().stdout);
    assert!(
        up.starts_with("The schema is newer, and this program may serve on it"),
        "{up}"
    );
    let mut child = tokio::process::Command::from(command(&["serve"]))
        .envs(environment.clone())
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = format!("http://127.0.0.1:{management}/readyz");
    crate::harness::until("it serves", async || {
        assert_eq!(child.try_wait().unwrap(), None, "it refuses");
        reqwest::get(&ready)
            .await
            .ok()
            .filter(|answer| answer.status().is_success())
    })
    .await;
    terminate(&child);
    assert!(child.wait().await.unwrap().success());

    let contract = "UPDATE schema_rules SET kind = 'contract', needs = migration WHERE migration LIKE 'm9999%'";
    database
        .connection()
        .execute_unprepared(contract)
        .await
        .unwrap();
    let refused = command(&["serve"])
        .envs(environment.clone())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let errors = text(&refused.stderr);
    assert!(
        errors.contains("this one doesn't: run tokenhouse 0."),
        "{errors}"
    );
    let status = command(&["migrate", "status", "--exit-code"])
        .envs(environment)
        .output();
    assert_eq!(status.unwrap().status.code(), Some(4));
}
