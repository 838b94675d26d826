//! A Redis Cluster: every key is at the node that has its slot, and slots move.
//!
//! Each node has a connection like that of a single Redis, so that each is looked at before a refresh is
//! entrusted to it, and one that hangs costs the others nothing.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{join_all, select_ok};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    address::{ClusterNodes, Node, RedisAddress},
    connection::{REDIS, RedisConnection, RedisFindings, Shared},
    seat::Seat,
    slots::{SlotMap, read_node, slot_of},
    tenant_key::TenantKey,
    unfit::RedisUnfit,
};
use crate::{
    application::ports::{Dependency, Health},
    infrastructure::metrics::MetricsBuilder,
};

/// How long whoever comes first waits for the slots.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// How often nodes are asked while all is well: one behind a cut link that was replaced fails at nothing.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// How often at most, and how often while none answers.
const ASK_PAUSE: Duration = Duration::from_millis(200);
/// For a slot that is about to move.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The nodes of a Cluster, and who has which slots.
pub struct Cluster {
    address: RedisAddress,
    nodes: ClusterNodes,
    slots: watch::Sender<Option<Arc<SlotMap>>>,
    connections: Mutex<HashMap<Node, RedisConnection>>,
    shared: Shared,
    wanted: Arc<Notify>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts to ask for the slots. To be called inside of a runtime.
    pub(super) fn open(address: &RedisAddress, nodes: &ClusterNodes) -> Arc<Self> {
        let cluster = Arc::new(Self {
            address: address.clone(),
            nodes: nodes.clone(),
            slots: watch::Sender::new(None),
            connections: Mutex::default(),
            shared: Shared::default(),
            wanted: Arc::default(),
        });
        let wanted = Arc::clone(&cluster.wanted);
        tokio::spawn(keep_asking(Arc::downgrade(&cluster), wanted));
        cluster
    }

    pub(super) fn register(&self, metrics: &mut MetricsBuilder) {
        self.shared.register(metrics);
    }

    /// Where a key is, as far as the nodes have said.
    pub(super) async fn seat(&self, key: &TenantKey) -> Result<Seat, RedisUnfit> {
        let slots = self.known_slots().await.ok_or(RedisUnfit::NoSlots)?;
        let Some(node) = slots.primary_of(slot_of(key.as_str())) else {
            self.wanted.notify_one();
            return Err(RedisUnfit::NoSlots);
        };
        self.seat_at(node)
    }

    fn seat_at(&self, node: &Node) -> Result<Seat, RedisUnfit> {
        Ok(Seat::of(self.connection_to(node)?, node.0.clone()))
    }

    /// Where to go on after an error; nowhere when it doesn't lead on. A node that sends away has done nothing.
    pub(super) async fn follow(
        &self,
        error: &RedisError,
        seat: Seat,
    ) -> Result<Option<Seat>, RedisUnfit> {
        self.wanted.notify_one();
        let led_to = error.redirect_node();
        let led_to = led_to.and_then(|(to, _slot)| read_node(to, &seat.host));
        Ok(match (error.kind(), led_to) {
            (ErrorKind::Server(ServerErrorKind::Moved), Some(node)) => Some(self.seat_at(&node)?),
            (ErrorKind::Server(ServerErrorKind::Ask), Some(node)) => {
                Some(self.seat_at(&node)?.asking())
            }
            (ErrorKind::Server(ServerErrorKind::TryAgain), _) => {
                sleep(TRY_AGAIN).await;
                Some(seat)
            }
            _ => None,
        })
    }

    fn connection_to(&self, node: &Node) -> Result<RedisConnection, RedisUnfit> {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get(node) {
            return Ok(known.clone());
        }
        let address = self.address.of_node(&self.nodes, node);
        let new = RedisConnection::to_node(&address, self.shared.clone())?;
        connections.insert(node.clone(), new.clone());
        Ok(new)
    }

    async fn known_slots(&self) -> Option<Arc<SlotMap>> {
        let mut slots = self.slots.subscribe();
        let known = timeout(KNOWN_WITHIN, slots.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }

    /// The primaries, or, while nobody has said who they are, the nodes that the address names.
    fn primaries(&self) -> Vec<Node> {
        let slots = self.slots.borrow();
        let primaries = slots.as_ref().map(|slots| slots.primaries());
        primaries
            .filter(|primaries| !primaries.is_empty())
            .unwrap_or_else(|| self.nodes.seeds.clone())
    }

    /// Asks all nodes that are known who has which slots, and believes the first that answers: a wrong one is
    /// mended by the node that sends away.
    async fn ask(&self) -> Result<(), RedisError> {
        let mut nodes: BTreeSet<_> = self.primaries().into_iter().collect();
        nodes.extend(self.nodes.seeds.iter().cloned());
        let asked = nodes.into_iter().map(|node| Box::pin(self.ask_node(node)));
        let (slots, _) = select_ok(asked).await?;
        let primaries = slots.primaries();
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.retain(|node, _| primaries.contains(node) || self.nodes.seeds.contains(node));
        drop(connections);
        self.slots.send_if_modified(|known| {
            if known.as_deref() == Some(&slots) {
                return false;
            }
            tracing::info!(
                primaries = primaries.len(),
                whole = slots.is_whole(),
                "the Cluster has told who has its slots"
            );
            *known = Some(Arc::new(slots));
            true
        });
        Ok(())
    }

    async fn ask_node(&self, node: Node) -> Result<SlotMap, RedisError> {
        let bad = |text| RedisError::from((ErrorKind::UnexpectedReturnType, text));
        let connection = self.connection_to(&node);
        let connection = connection.map_err(|_| bad("the node can't be connected to"))?;
        let answer = connection.call(redis::cmd("CLUSTER").arg("SLOTS")).await?;
        let slots = SlotMap::read(&answer, &node);
        let slots = slots.filter(|slots| !slots.primaries().is_empty());
        slots.ok_or_else(|| bad("the node knows of no slots"))
    }

    /// Looks at every primary. One that doesn't answer is no reason not to use the others; one that would forget is.
    pub(super) async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        let whole = self.known_slots().await.map(|slots| slots.is_whole());
        let looks = self
            .primaries()
            .into_iter()
            .map(|node| async move { self.connection_to(&node)?.inspect().await });
        let mut found: Option<RedisFindings> = None;
        let mut silent = None;
        for looked in join_all(looks).await {
            match looked {
                Ok(one) => found = Some(found.map_or(one.clone(), |all| all.with(&one))),
                Err(unfit) if unfit.may_pass() => {
                    // Its slots may be another's by now.
                    self.wanted.notify_one();
                    silent = Some(unfit);
                }
                Err(unfit) => return Err(unfit),
            }
        }
        match (found, silent, whole) {
            (None, Some(unfit), _) => Err(unfit),
            (Some(found), silent, Some(whole)) => Ok(RedisFindings {
                partly_missing: silent.is_some() || !whole,
                ..found
            }),
            _ => Err(RedisUnfit::NoSlots),
        }
    }
}

#[async_trait]
impl Dependency for Cluster {
    fn name(&self) -> &'static str {
        REDIS
    }

    async fn check(&self) -> Health {
        match self.inspect().await {
            Err(unfit) => Health::Down(unfit.in_short().into()),
            Ok(found) if found.partly_missing => Health::Degraded("partly unreachable".into()),
            Ok(_) => match self.shared.refused.lately() {
                Some(refusal) => Health::Degraded(refusal.in_short().into()),
                None => Health::Up,
            },
        }
    }

    fn is_required(&self) -> bool {
        !self.shared.was_fit()
    }
}

/// Asks for the slots for as long as somebody wants to know.
async fn keep_asking(cluster: Weak<Cluster>, wanted: Arc<Notify>) {
    let mut silent = false;
    loop {
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        let asked = cluster.ask().await;
        drop(cluster);
        // Once: while nodes are away, this is asked five times a second.
        if let (Err(error), false) = (&asked, silent) {
            tracing::warn!(%error, "no node of the Cluster says who has its slots");
        }
        silent = asked.is_err();
        sleep(ASK_PAUSE).await;
        if !silent {
            let _nobody_asked = timeout(ASKED_EVERY, wanted.notified()).await;
        }
    }
}
