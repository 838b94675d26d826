//! An instance whose clock is wrong beside a database whose clock is right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, EntityTrait};
use tokenhouse_entity::tenant;
use url::Url;

use super::{
    super::{Database, DatabaseStore, DatabaseTenants},
    fixture::{self, Fixture, new_tenant, now, sign_in},
    on_both,
};
use crate::{
    application::{
        audit_retention::AuditRetention,
        clock_watch::{ClockWatch, OnTime},
        ports::{Agenda, BackgroundWork, Clock, Dependency, Due, Health, Store, StoreClock},
        sign_in_retention::SignInRetention,
    },
    domain::{
        audit::{Actor, Entry, Event, EventKind, Origin},
        clocks::Difference,
        id::AuditEntryId,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
    infrastructure::clock::SystemClock,
    testing::clock::TestClock,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

on_both!(
    a_sweep_that_is_further_ahead_than_its_interval_is_due,
    a_rotation_that_is_further_ahead_than_any_is_due,
);

/// A clock that is off, which nobody declared.
#[derive(Default)]
struct Wrong(AtomicI64);

impl Wrong {
    fn set(&self, days: i64) {
        self.0.store(days * 24 * 3600 * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let real = SystemClock.now().as_micros();
        Timestamp::from_micros(real + self.0.load(Ordering::SeqCst))
    }
}

/// The work of an instance with this clock.
fn works(db: &Database, clock: &Arc<dyn Clock>) -> (Arc<ClockWatch>, [OnTime; 2]) {
    let watch = ClockWatch::new(Arc::new(db.clone()), Arc::clone(clock));
    let watch = Arc::new(watch);
    let agenda = Arc::new(DatabaseTenants::new(db.clone()));
    let store = Arc::new(DatabaseStore::new(db.clone()));
    let public_url = Url::parse("https://id.example.com").unwrap();
    let audit = AuditRetention {
        agenda: Arc::clone(&agenda) as _,
        store: Arc::clone(&store) as _,
        clock: Arc::clone(clock),
        public_url: public_url.clone(),
    };
    let sign_ins = SignInRetention {
        agenda,
        store,
        clock: Arc::clone(clock),
        public_url,
    };
    let works = [
        OnTime::new("one", Arc::new(audit), Arc::clone(&watch)),
        OnTime::new("other", Arc::new(sign_ins), Arc::clone(&watch)),
    ];
    (watch, works)
}

/// Two entries of the log, one of them older than any tenant keeps.
async fn note(db: &Database, tenant: &TenantScope) -> [AuditEntryId; 2] {
    let entry = |at: Timestamp| Entry {
        id: AuditEntryId::new(at, [7; 10]),
        at,
        actor: Actor::System,
        origin: Origin::default(),
        event: Event::new(EventKind::KeyCreated),
    };
    let entries = [entry(now()), entry(now() - 5_000 * DAY)];
    let mut work = DatabaseStore::new(db.clone()).begin(tenant).await.unwrap();
    work.add_audit_entries(&entries).await.unwrap();
    work.commit().await.unwrap();
    entries.map(|entry| entry.id)
}

async fn left(db: &Database, tenant: &TenantScope, ids: [AuditEntryId; 2]) -> [bool; 2] {
    let mut view = DatabaseStore::new(db.clone()).view(tenant).await.unwrap();
    let mut left = [false; 2];
    for (left, id) in left.iter_mut().zip(ids) {
        *left = view.audit_entry(id).await.unwrap().is_some();
    }
    left
}

/// When the tenant's log and sign-ins are swept next.
async fn next_sweeps(db: &Database) -> [i64; 2] {
    let row = tenant::Entity::find().one(db.connection()).await.unwrap();
    let row = row.unwrap();
    [row.audit_sweep_at, row.sign_in_sweep_at]
}

#[tokio::test]
async fn an_instance_that_is_off_deletes_nothing_until_it_agrees() {
    let db = fixture::postgres().await;
    let acme = new_tenant(&db, "acme").await;
    let entries = note(&db, &acme).await;
    let (_, ended, _) = sign_in(&db, &acme, "ada@example.com").await;
    let mut work = DatabaseStore::new(db.clone()).begin(&acme).await.unwrap();
    work.end_session(ended.id, now()).await.unwrap();
    work.commit().await.unwrap();
    let before = next_sweeps(&db).await;
    let wrong = Arc::new(Wrong::default());
    let clock: Arc<dyn Clock> = wrong.clone();
    let (watch, works) = works(&db, &clock);

    for (days, said) in [(400, "400 days ahead of"), (-400, "400 days behind")] {
        wrong.set(days);
        for work in &works {
            assert!(!work.run().await.unwrap(), "there is nothing to do");
        }
        let health = watch.check().await;
        let reason = format!("{said} the database's");
        assert_eq!(health, Health::Degraded(reason.into()));
        assert!(watch.require_agreement().await.is_err());
        assert_eq!(left(&db, &acme, entries).await, [true, true]);
        assert_eq!(next_sweeps(&db).await, before);
    }

    wrong.set(0);
    for work in &works {
        assert!(work.run().await.unwrap(), "it does its work");
    }
    assert_eq!(watch.check().await, Health::Up);
    assert!(watch.require_agreement().await.is_ok());
    assert_eq!(left(&db, &acme, entries).await, [true, false]);
    assert!(
        next_sweeps(&db)
            .await
            .iter()
            .all(|at| *at > now().as_micros())
    );
    let mut view = DatabaseStore::new(db.clone()).view(&acme).await.unwrap();
    let session = view.session(ended.id).await.unwrap();
    assert!(session.is_some(), "it ended just now");
}

#[tokio::test]
async fn a_clock_that_is_ahead_on_purpose_agrees() {
    let clock = TestClock::default();
    clock.advance(400 * DAY);
    let db = fixture::postgres().await;
    let watch = ClockWatch::new(Arc::new(db.clone()), Arc::new(clock));
    assert_eq!(watch.difference().await.unwrap(), None);
}

#[tokio::test]
async fn sqlite_has_no_clock_to_differ_from() {
    let db = fixture::sqlite().await;
    assert_eq!(StoreClock::now(&*db, 0).await.unwrap(), None);
    let wrong = Wrong::default();
    wrong.set(400);
    let watch = ClockWatch::new(Arc::new(db.clone()), Arc::new(wrong));
    assert_eq!(watch.difference().await.unwrap(), None);
}

/// The database itself is told of as `database`.
#[tokio::test]
async fn what_was_seen_last_counts_while_the_database_is_away() {
    let db = fixture::postgres().await;
    let wrong = Arc::new(Wrong::default());
    let watch = ClockWatch::new(Arc::new(db.clone()), wrong.clone());
    wrong.set(-3);
    let found = watch.difference().await.unwrap();
    assert!(matches!(found, Some(Difference::Behind(_))), "{found:?}");
    db.connection().close_by_ref().await.unwrap();
    assert!(watch.difference().await.is_err());
    let reason = "3 days behind the database's".into();
    assert_eq!(watch.check().await, Health::Degraded(reason));
}

async fn a_sweep_that_is_further_ahead_than_its_interval_is_due(db: Fixture) {
    new_tenant(&db, "acme").await;
    let tenants = DatabaseTenants::new(db.clone());
    for due in [Due::AuditSweep, Due::SignInSweep] {
        let claim = async |now: Timestamp| {
            let claimed = tenants.claim(due, now, now + due.every(), 9).await;
            claimed.unwrap().len()
        };
        let now = now();
        assert_eq!(claim(now + 400 * DAY).await, 1, "by a wrong clock");
        assert_eq!(claim(now).await, 1, "{due:?}");
        assert_eq!(claim(now).await, 0);
        // As much earlier as the clock of an instance that agrees may be.
        assert_eq!(claim(now - Duration::from_secs(119)).await, 0);
        assert_eq!(claim(now + DAY).await, 1);
    }
}

async fn a_rotation_that_is_further_ahead_than_any_is_due(db: Fixture) {
    new_tenant(&db, "acme").await;
    let tenants = DatabaseTenants::new(db.clone());
    let now = now();
    let claim = async || {
        let until = now + Duration::from_secs(30);
        tenants.claim(Due::Keys, now, until, 9).await.unwrap().len()
    };
    let set = async |at: Timestamp| {
        let set = format!("UPDATE tenants SET keys_due_at = {}", at.as_micros());
        db.connection().execute_unprepared(&set).await.unwrap();
    };
    set(now + 7 * DAY).await;
    assert_eq!(claim().await, 0);
    set(now + 8 * DAY).await;
    assert_eq!(claim().await, 1);
    assert_eq!(claim().await, 0, "it is somebody's");
}
