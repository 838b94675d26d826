//! Floors on their way to SQL.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::time::{Instant, sleep};

use super::*;
use crate::domain::timestamp::Timestamp;

/// A database that can be switched off.
#[derive(Default)]
struct Recorded {
    raised: Mutex<BTreeMap<(TenantId, GrantId), RaisedFloor>>,
    calls: AtomicUsize,
    down: AtomicBool,
}

#[async_trait]
impl Floors for Recorded {
    async fn raise(&self, tenant: TenantId, floors: &[RaisedFloor]) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        let mut raised = self.raised.lock().expect("nobody panicked");
        for floor in floors {
            raised.insert((tenant, floor.family), *floor);
        }
        Ok(())
    }
}

impl Recorded {
    fn generations(&self) -> Vec<u32> {
        let raised = self.raised.lock().expect("nobody panicked");
        raised.values().map(|floor| floor.generation.0).collect()
    }
}

fn family(n: u8) -> GrantId {
    GrantId::new(Timestamp::from_micros(i64::from(n) * 1_000_000), [n; 10])
}

fn tenant(n: u8) -> TenantId {
    TenantId::new(Timestamp::from_micros(i64::from(n) * 1_000_000), [n; 10])
}

fn floor(n: u8, generation: u32) -> RaisedFloor {
    RaisedFloor {
        family: family(n),
        generation: Generation(generation),
        idle_end: Timestamp::from_micros(i64::from(generation)),
    }
}

#[tokio::test]
async fn a_family_is_written_once_however_often_it_rotated() {
    let database = Arc::new(Recorded::default());
    let writer = FloorWriter::start(Arc::clone(&database) as Arc<dyn Floors>, 100);
    for generation in [1, 3, 2] {
        writer.push(tenant(1), floor(1, generation));
    }
    writer.push(tenant(2), floor(2, 7));
    writer.flush().await.expect("the database is up");
    assert_eq!(database.generations(), [3, 7]);
    assert_eq!(database.calls.load(Ordering::SeqCst), 2, "one a tenant");
    writer.flush().await.expect("nothing waits");
    assert_eq!(database.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_floor_is_written_within_a_second() {
    let database = Arc::new(Recorded::default());
    let writer = FloorWriter::start(Arc::clone(&database) as Arc<dyn Floors>, 100);
    let pushed = Instant::now();
    writer.push(tenant(1), floor(1, 1));
    while database.generations().is_empty() {
        assert!(pushed.elapsed() < Duration::from_secs(1), "too late");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn floors_wait_for_a_database_that_is_down() {
    let database = Arc::new(Recorded::default());
    database.down.store(true, Ordering::SeqCst);
    let writer = FloorWriter::start(Arc::clone(&database) as Arc<dyn Floors>, 100);
    for n in 1..=3 {
        writer.push(tenant(n), floor(n, 1));
    }
    assert!(writer.flush().await.is_err());
    assert_eq!(
        database.calls.load(Ordering::SeqCst),
        1,
        "one failure is enough"
    );
    writer.push(tenant(2), floor(2, 5));
    database.down.store(false, Ordering::SeqCst);
    writer.flush().await.expect("the database is back");
    assert_eq!(database.generations(), [1, 5, 1]);
}

#[tokio::test]
async fn the_oldest_are_dropped_when_too_many_wait() {
    let database = Arc::new(Recorded::default());
    let writer = FloorWriter::start(Arc::clone(&database) as Arc<dyn Floors>, 4);
    for n in 1..=6 {
        writer.push(tenant(1), floor(n, u32::from(n)));
    }
    writer.flush().await.expect("the database is up");
    assert_eq!(database.generations(), [3, 4, 5, 6]);
}

#[tokio::test]
async fn a_rotation_raises_its_familys_floor_and_a_repeat_does_not() {
    let fixture = RedisFixture::new().await;
    let database = Arc::new(Recorded::default());
    let writer = Arc::new(FloorWriter::start(
        Arc::clone(&database) as Arc<dyn Floors>,
        100,
    ));
    let rotations = RedisRotations::new(fixture.connection().clone(), Arc::clone(&writer));
    let family = random_family(&fixture);
    let request = fixture.request(family, &random_secret(), &random_secret());
    for _ in 0..2 {
        rotations
            .rotate(&fixture.tenant, &request)
            .await
            .expect("Redis answers");
        writer.flush().await.expect("the database is up");
    }
    assert_eq!(database.calls.load(Ordering::SeqCst), 1);
    let raised = database.raised.lock().expect("nobody panicked");
    let floor = raised[&(fixture.tenant.id(), family)];
    assert_eq!(floor.generation, Generation(1));
    let idle = floor.idle_end.since(request.now);
    assert!((99..=101).contains(&idle.as_secs()), "{idle:?}");
}

#[tokio::test]
async fn a_floors_idle_end_never_passes_the_absolute_end() {
    let fixture = RedisFixture::new().await;
    let database = Arc::new(Recorded::default());
    let writer = Arc::new(FloorWriter::start(
        Arc::clone(&database) as Arc<dyn Floors>,
        100,
    ));
    let rotations = RedisRotations::new(fixture.connection().clone(), Arc::clone(&writer));
    let family = random_family(&fixture);
    let mut request = fixture.request(family, &random_secret(), &random_secret());
    request.floor.absolute_end = request.now + Duration::from_secs(50);
    rotations
        .rotate(&fixture.tenant, &request)
        .await
        .expect("Redis answers");
    writer.flush().await.expect("the database is up");
    let raised = database.raised.lock().expect("nobody panicked");
    assert_eq!(
        raised[&(fixture.tenant.id(), family)].idle_end,
        request.floor.absolute_end
    );
}
