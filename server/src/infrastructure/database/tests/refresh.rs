use std::time::Duration;

use super::{
    super::{DatabaseFloors, DatabaseRotations, DatabaseStore},
    fixture::{Fixture, grant, new_tenant, now, sign_in},
    on_both,
};
use crate::{
    application::ports::{Floors, RaisedFloor, Rotation, RotationRequest, Rotations, Store},
    domain::{
        client::ClientId,
        grant::{Floor, Grant},
        refresh::{
            Family, Generation, Lifetimes, Presented, Refusal, SecretDigest, Successor, Verdict,
            decide, rotated,
        },
        tenant::TenantScope,
    },
};

on_both!(
    the_database_decides_as_the_rule_does,
    fifty_at_once_make_one_successor,
    a_theft_ends_the_family,
    a_revoked_family_stays_dead,
    a_foreign_client_changes_nothing,
    a_restored_backup_logs_nobody_out,
    lifetimes_end,
    floors_rise_and_never_fall,
    a_raised_floor_is_a_record_without_secrets,
);

const RETRY_WINDOW: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(7 * 86_400);

fn digest(secret: u64) -> SecretDigest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&secret.to_be_bytes());
    if secret == 7 {
        bytes = [7; 32];
    }
    SecretDigest::from_bytes(bytes)
}

/// Presents a generation with a secret; the secret of a new grant is 7. The successor's is
/// 1,000 times the generation higher.
pub(super) fn request(grant: &Grant, generation: u32, secret: u64) -> RotationRequest {
    let next = 1_000 * u64::from(generation + 1) + secret % 1_000;
    RotationRequest {
        family: grant.id,
        owner: grant.client_id.clone(),
        floor: Floor {
            generation: Generation::FIRST,
            leaf: Some(grant.leaf),
            idle_end: grant.idle_end,
            absolute_end: grant.absolute_end,
        },
        floor_is_fresh: false,
        presented: Presented {
            client_id: grant.client_id.clone(),
            generation: Generation(generation),
            digest: digest(secret),
        },
        successor: Successor {
            digest: digest(next),
            sealed: next.to_be_bytes().to_vec(),
        },
        lifetimes: Lifetimes {
            idle: IDLE,
            retry_window: RETRY_WINDOW,
        },
        now: now(),
        clock_offset: 0,
    }
}

/// As if it were so much later.
fn later(mut request: RotationRequest, by: Duration) -> RotationRequest {
    request.now = request.now + by;
    request.clock_offset = i64::try_from(by.as_micros()).unwrap();
    request
}

struct Case {
    rotations: DatabaseRotations,
    tenant: TenantScope,
    grant: Grant,
}

impl Case {
    async fn new(db: &Fixture) -> Self {
        let tenant = new_tenant(db, "acme").await;
        let (_, _, grant) = sign_in(db, &tenant, "ada@example.com").await;
        Self {
            rotations: DatabaseRotations::new((*db).clone()),
            tenant,
            grant,
        }
    }

    async fn present(&self, generation: u32, secret: u64) -> Rotation {
        self.rotate(&request(&self.grant, generation, secret)).await
    }

    async fn rotate(&self, request: &RotationRequest) -> Rotation {
        self.rotations.rotate(&self.tenant, request).await.unwrap()
    }
}

/// A reproducible walk: presentations of live, old, future and made-up tokens at growing times.
async fn the_database_decides_as_the_rule_does(db: Fixture) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let tenant = new_tenant(&db, "acme").await;
    let rotations = DatabaseRotations::new(db.clone());
    let mut seen = std::collections::HashMap::new();
    for family in 0..25 {
        let (_, _, grant) = sign_in(&db, &tenant, &format!("u{family}@example.com")).await;
        let mut model = Family {
            client_id: grant.client_id.clone(),
            generation: Generation::FIRST,
            leaf: grant.leaf,
            last_rotation: None,
            idle_end: grant.idle_end,
            absolute_end: grant.absolute_end,
            dead: false,
        };
        let mut secrets = vec![7_u64];
        let mut offset = Duration::ZERO;
        for _ in 0..16 {
            // No sum of these comes near an end, so the real time that passes doesn't matter.
            offset += [
                Duration::ZERO,
                Duration::from_secs(11),
                Duration::from_secs(41),
                Duration::from_secs(3 * 86_400),
            ][usize::try_from([0, 0, 1, 1, 2, 3][usize::try_from(draw(6)).unwrap()]).unwrap()];
            let live = secrets.len() - 1;
            let generation = match draw(12) {
                0..7 => live,
                7..10 => live.saturating_sub(1),
                10 => live.saturating_sub(2),
                _ => live + 1,
            };
            let secret = match secrets.get(generation) {
                Some(secret) if draw(14) > 0 => *secret,
                _ => 500,
            };
            let mut request = later(
                request(&grant, u32::try_from(generation).unwrap(), secret),
                offset,
            );
            if draw(20) == 0 {
                request.presented.client_id = ClientId::parse("mallory").unwrap();
            }
            let floor = Floor {
                generation: model.generation,
                leaf: Some(model.leaf),
                idle_end: model.idle_end,
                absolute_end: model.absolute_end,
            };
            let verdict = decide(
                Some(&model),
                &floor,
                true,
                &grant.client_id,
                &request.presented,
                RETRY_WINDOW,
                request.now,
            );
            let expected = match verdict {
                Verdict::Rotate => {
                    model = rotated(
                        &request.presented,
                        &request.successor,
                        IDLE,
                        model.absolute_end,
                        request.now,
                    );
                    secrets.resize(generation + 1, 500);
                    secrets.push(1_000 * u64::try_from(generation + 1).unwrap() + secret % 1_000);
                    Rotation::Rotated
                }
                Verdict::Repeat { sealed_successor } => Rotation::Repeated { sealed_successor },
                Verdict::Reuse => {
                    model.dead = true;
                    Rotation::Reused
                }
                Verdict::Refuse(refusal) => Rotation::Refused(refusal),
                Verdict::Reload => unreachable!("the floor is fresh"),
            };
            let answer = rotations.rotate(&tenant, &request).await.unwrap();
            assert_eq!(answer, expected, "{request:?} on {model:?}");
            *seen.entry(std::mem::discriminant(&answer)).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), 4, "every answer came up: {seen:?}");
}

async fn fifty_at_once_make_one_successor(db: Fixture) {
    let case = std::sync::Arc::new(Case::new(&db).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let case = std::sync::Arc::clone(&case);
        tasks.spawn(async move { case.present(0, 7).await });
    }
    let answers = tasks.join_all().await;
    let rotated = answers.iter().filter(|a| **a == Rotation::Rotated).count();
    let sealed_successor = 1_007_u64.to_be_bytes().to_vec();
    let repeated = Rotation::Repeated { sealed_successor };
    let repeats = answers.iter().filter(|a| **a == repeated).count();
    assert_eq!((rotated, repeats), (1, 49), "{answers:?}");
}

async fn a_theft_ends_the_family(db: Fixture) {
    let case = Case::new(&db).await;
    assert_eq!(case.present(0, 7).await, Rotation::Rotated);
    assert_eq!(case.present(1, 1_007).await, Rotation::Rotated);
    // The grandparent.
    assert_eq!(case.present(0, 7).await, Rotation::Reused);
    assert_eq!(
        case.present(2, 2_007).await,
        Rotation::Refused(Refusal::Dead)
    );
    assert_eq!(case.present(0, 7).await, Rotation::Refused(Refusal::Dead));
    let mut work = DatabaseStore::new(db.clone())
        .view(&case.tenant)
        .await
        .unwrap();
    let view = work.grant(case.grant.id).await.unwrap().unwrap();
    assert!(view.revoked_at.is_some());
}

async fn a_revoked_family_stays_dead(db: Fixture) {
    let case = Case::new(&db).await;
    let mut work = DatabaseStore::new(db.clone())
        .begin(&case.tenant)
        .await
        .unwrap();
    work.end_session(case.grant.session_id, now())
        .await
        .unwrap();
    work.commit().await.unwrap();
    assert_eq!(case.present(0, 7).await, Rotation::Refused(Refusal::Dead));
    // A family that never was.
    let nobody = grant(&super::fixture::session(&super::fixture::user(
        "x@example.com",
    )));
    let answer = case.rotate(&request(&nobody, 0, 7)).await;
    assert_eq!(answer, Rotation::Refused(Refusal::Dead));
}

async fn a_foreign_client_changes_nothing(db: Fixture) {
    let case = Case::new(&db).await;
    let mut foreign = request(&case.grant, 0, 7);
    foreign.presented.client_id = ClientId::parse("mallory").unwrap();
    let refused = Rotation::Refused(Refusal::WrongClient);
    assert_eq!(case.rotate(&foreign).await, refused);
    // Even when the caller believes that the grant is that client's.
    foreign.owner = foreign.presented.client_id.clone();
    assert_eq!(case.rotate(&foreign).await, refused);
    assert_eq!(case.present(0, 7).await, Rotation::Rotated);
}

async fn a_restored_backup_logs_nobody_out(db: Fixture) {
    let case = Case::new(&db).await;
    assert_eq!(case.present(5, 123).await, Rotation::Rotated);
    assert_eq!(case.present(6, 6_123).await, Rotation::Rotated);
    assert_eq!(case.present(4, 1).await, Rotation::Reused);
}

async fn lifetimes_end(db: Fixture) {
    let case = Case::new(&db).await;
    let expired = Rotation::Refused(Refusal::Expired);
    let idle = later(request(&case.grant, 0, 7), IDLE);
    assert_eq!(case.rotate(&idle).await, expired);
    // Each use moves the idle end, until the absolute one.
    let mut secret = 7;
    for (generation, days) in (0..17).zip((5..).step_by(5)) {
        let at = Duration::from_secs(days * 86_400);
        let request = later(request(&case.grant, generation, secret), at);
        assert_eq!(case.rotate(&request).await, Rotation::Rotated, "{days}");
        secret = 1_000 * u64::from(generation + 1) + 7;
    }
    let end = later(
        request(&case.grant, 17, secret),
        Duration::from_secs(90 * 86_400),
    );
    assert_eq!(case.rotate(&end).await, expired);
    let before = later(
        request(&case.grant, 17, secret),
        Duration::from_secs(90 * 86_400 - 60),
    );
    assert_eq!(case.rotate(&before).await, Rotation::Rotated);
}

fn floor(grant: &Grant, generation: u32) -> RaisedFloor {
    RaisedFloor {
        family: grant.id,
        generation: Generation(generation),
        idle_end: grant.idle_end + Duration::from_secs(1_000 * 86_400),
    }
}

async fn floors_rise_and_never_fall(db: Fixture) {
    let case = Case::new(&db).await;
    let floors = DatabaseFloors::new(db.clone());
    // Many, so that there is more than one statement, and unknown ones among them.
    let mut many: Vec<_> = (0..1_200)
        .map(|_| RaisedFloor {
            family: crate::domain::id::GrantId::from_uuid(super::fixture::uuid()),
            ..floor(&case.grant, 3)
        })
        .collect();
    many.push(floor(&case.grant, 3));
    many.push(floor(&case.grant, 5));
    many.push(floor(&case.grant, 4));
    floors.raise(case.tenant.id(), &many).await.unwrap();
    floors
        .raise(case.tenant.id(), &[floor(&case.grant, 2)])
        .await
        .unwrap();
    floors.raise(case.tenant.id(), &[]).await.unwrap();
    let mut work = DatabaseStore::new(db.clone())
        .view(&case.tenant)
        .await
        .unwrap();
    let view = work.grant(case.grant.id).await.unwrap().unwrap();
    assert_eq!(view.floor.generation, Generation(5));
    assert_eq!(view.floor.leaf, None);
    assert_eq!(view.floor.idle_end, case.grant.absolute_end);
}

async fn a_raised_floor_is_a_record_without_secrets(db: Fixture) {
    let case = Case::new(&db).await;
    assert_eq!(case.present(0, 7).await, Rotation::Rotated);
    DatabaseFloors::new(db.clone())
        .raise(case.tenant.id(), &[floor(&case.grant, 3)])
        .await
        .unwrap();
    assert_eq!(case.present(3, 99).await, Rotation::Rotated);
    assert_eq!(case.present(2, 2_007).await, Rotation::Reused);
}
