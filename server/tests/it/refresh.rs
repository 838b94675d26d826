//! Refresh over the wire: at most one live successor, equal answers to retries, theft ends the
//! family. The same rules are held to each store by the contract suite; here it is the whole server.

use std::{collections::HashSet, time::Duration};

use reqwest::StatusCode;

use crate::harness::{Backend, Installation, Session, on_every_backend, store_url};

on_every_backend!(
    fifty_parallel_presentations_get_one_successor,
    a_retry_after_a_lost_answer_gets_the_same_successor,
    the_retry_window_does_not_slide,
    a_grandparent_ends_the_family,
    strangers_change_nothing,
);
on_every_backend!(alone: idle_and_absolute_ends_hold);

/// T31.
async fn fifty_parallel_presentations_get_one_successor(installation: Installation) {
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    for _ in 0..3 {
        let attempts: Vec<_> = (0..50)
            .map(|n| {
                let (tenant, token) = (tenant.clone(), session.refresh_token.clone());
                tokio::spawn(async move { tenant.refresh(n, &token).await })
            })
            .collect();
        let mut successors = HashSet::new();
        for attempt in attempts {
            let answer = attempt.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            successors.insert(Session::of(&answer).refresh_token);
        }
        assert_eq!(
            successors.len(),
            1,
            "every answer carries the same successor"
        );
    }
}

/// T30.
async fn a_retry_after_a_lost_answer_gets_the_same_successor(installation: Installation) {
    let tenant = installation.tenant().await;
    let first = tenant.session().await;
    let second = Session::of(&tenant.refresh(0, &first.refresh_token).await);
    for (n, seconds) in [(1, 1), (0, 10), (1, 18)] {
        installation.clock.advance(Duration::from_secs(seconds));
        let again = Session::of(&tenant.refresh(n, &first.refresh_token).await);
        assert_eq!(again.refresh_token, second.refresh_token);
        assert_ne!(
            again.access_token, second.access_token,
            "the access token is minted anew"
        );
    }
    let third = tenant.refresh(0, &second.refresh_token).await;
    assert_eq!(
        third.status,
        StatusCode::OK,
        "the successor works: {third:?}"
    );
}

/// T29, T33.
async fn the_retry_window_does_not_slide(installation: Installation) {
    let tenant = installation.tenant().await;
    let first = tenant.session().await;
    let second = Session::of(&tenant.refresh(0, &first.refresh_token).await);
    for _ in 0..2 {
        installation.clock.advance(Duration::from_secs(14));
        assert_eq!(
            tenant.refresh(1, &first.refresh_token).await.status,
            StatusCode::OK
        );
    }
    installation.clock.advance(Duration::from_secs(3));
    tenant
        .refresh(1, &first.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    // Reuse ended the family, and with it the session.
    tenant
        .refresh(1, &second.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    tenant
        .current_user(1, &second.access_token)
        .await
        .assert_problem(401, "not-signed-in");
}

/// T32.
async fn a_grandparent_ends_the_family(installation: Installation) {
    let tenant = installation.tenant().await;
    let first = tenant.session().await;
    let second = Session::of(&tenant.refresh(0, &first.refresh_token).await);
    let third = Session::of(&tenant.refresh(0, &second.refresh_token).await);
    tenant
        .refresh(0, &first.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    tenant
        .refresh(0, &third.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
}

/// T35 and the foreign half of T01.
async fn strangers_change_nothing(installation: Installation) {
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let session = tenant.session().await;
    let token = &session.refresh_token;
    let middle = token.len() / 2;
    let mut forged = vec![
        String::new(),
        "thr_".to_owned(),
        token.to_uppercase(),
        format!(" {token}"),
        format!("{token}="),
    ];
    forged.extend(
        (1..token.len())
            .step_by(7)
            .map(|end| token[..end].to_owned()),
    );
    forged.extend(
        ["A", "z", "-"].map(|c| format!("{}{c}{}", &token[..middle], &token[middle + 1..])),
    );
    for forged in forged.iter().filter(|forged| *forged != token) {
        tenant
            .refresh(0, forged)
            .await
            .assert_problem(401, "not-signed-in");
    }
    other
        .refresh(0, token)
        .await
        .assert_problem(401, "not-signed-in");
    other
        .current_user(0, &session.access_token)
        .await
        .assert_problem(401, "not-signed-in");
    assert_eq!(
        tenant.refresh(1, token).await.status,
        StatusCode::OK,
        "the family is untouched"
    );
}

/// T36.
async fn idle_and_absolute_ends_hold(installation: Installation) {
    let tenant = installation.tenant().await;
    let day = Duration::from_secs(24 * 3600);
    let idle = tenant.session().await;
    let mut busy = tenant.session().await;
    let mut days = 0;
    loop {
        installation.clock.advance(6 * day);
        days += 6;
        let answer = tenant.refresh(days, &busy.refresh_token).await;
        if days > 90 {
            answer.assert_problem(401, "not-signed-in");
            break;
        }
        if days == 90 {
            // To the second the end is the family's; a test that ran a moment may be past it.
            assert!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&answer.status));
            if answer.status == StatusCode::UNAUTHORIZED {
                break;
            }
        }
        assert_eq!(answer.status, StatusCode::OK, "day {days}: {answer:?}");
        busy = Session::of(&answer);
        if days == 12 {
            tenant
                .refresh(0, &idle.refresh_token)
                .await
                .assert_problem(401, "not-signed-in");
        }
    }
}

/// T-I9: losing Redis costs nobody a login.
#[tokio::test]
async fn a_lost_redis_logs_nobody_out() {
    let installation = Installation::start(Backend::Redis).await;
    let tenant = installation.tenant().await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let session = tenant.session().await;
        sessions.push((
            session.clone(),
            Session::of(&tenant.refresh(0, &session.refresh_token).await),
        ));
    }
    // Floors are written behind, at most a second late.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    forget_tenant(&installation, &tenant).await;
    for (n, (first, second)) in sessions.iter().enumerate() {
        let third = tenant.refresh(n, &second.refresh_token).await;
        assert_eq!(third.status, StatusCode::OK, "{third:?}");
        // What was rotated before the loss stays rotated.
        tenant
            .refresh(n, &first.refresh_token)
            .await
            .assert_problem(401, "not-signed-in");
    }
}

/// What `FLUSHALL` does to one tenant: other tests share the Redis.
async fn forget_tenant(installation: &Installation, tenant: &crate::harness::Tenant) {
    let slug = tokenhouse_server::domain::tenant::Slug::parse(&tenant.slug).unwrap();
    let id = installation.instances[0]
        .app
        .tenants
        .by_slug(&slug)
        .await
        .unwrap()
        .unwrap()
        .id;
    let client = redis::Client::open(store_url("TOKENHOUSE_TEST_REDIS_URL")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("*{id}*"))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(!keys.is_empty(), "the hot records were there");
    let deleted: i64 = redis::cmd("DEL")
        .arg(&keys)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(usize::try_from(deleted).unwrap(), keys.len());
}

/// Each family is at the node that has its slot.
#[tokio::test]
async fn the_rules_hold_in_a_redis_cluster() {
    let installation = async || {
        let postgres = store_url("TOKENHOUSE_TEST_POSTGRES_URL");
        let cluster = store_url("TOKENHOUSE_TEST_REDIS_CLUSTER_URL");
        let folder = tempfile::tempdir().unwrap();
        Installation::with_stores(folder, &postgres, Some(&cluster)).await
    };
    fifty_parallel_presentations_get_one_successor(installation().await).await;
    a_retry_after_a_lost_answer_gets_the_same_successor(installation().await).await;
    a_grandparent_ends_the_family(installation().await).await;
}
