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
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    address::{ClusterNodes, Node, RedisAddress},
    connection::{REDIS, RedisConnection, RedisFindings, Shared, field, text},
    seat::Seat,
    slots::{SlotMap, read_node, slot_of},
    tenant_key::TenantKey,
    unfit::RedisUnfit,
};
use crate::{
    application::{
        error::chain,
        ports::{Dependency, Health},
    },
    infrastructure::metrics::MetricsBuilder,
};

/// How long whoever comes first waits for the slots.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// How long a probe does, which has two seconds for everything.
const KNOWN_TO_PROBES_WITHIN: Duration = Duration::from_millis(300);
/// How long nodes have to say who has which slots.
const TOLD_WITHIN: Duration = Duration::from_millis(1_500);
/// How long the others have when one has said it.
const OTHERS_WITHIN: Duration = Duration::from_millis(300);
/// How often nodes are asked while all is well: one behind a cut link that was replaced fails at nothing.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// How often at most, and how often while none answers.
const ASK_PAUSE: Duration = Duration::from_millis(200);
/// For a slot that is about to move.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// For the slots to be told anew.
const TOLD_ANEW: Duration = Duration::from_millis(400);

/// What a node says of the Cluster. Greater is more to be believed: a node that is cut off from most says that
/// all is lost, and knows of fewer elections.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    well: bool,
    epoch: u64,
    slots: SlotMap,
}

impl Told {
    fn believable(&self) -> (bool, u64) {
        (self.well, self.epoch)
    }
}

/// The nodes of a Cluster, and who has which slots.
pub struct Cluster {
    address: RedisAddress,
    nodes: ClusterNodes,
    told: watch::Sender<Option<Arc<Told>>>,
    /// Why nobody has told yet.
    silence: Mutex<Option<RedisUnfit>>,
    /// What is wrong with which node, so that the log has it once.
    troubles: Mutex<HashMap<Node, &'static str>>,
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
            told: watch::Sender::new(None),
            silence: Mutex::default(),
            troubles: Mutex::default(),
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
        let told = self.told_within(KNOWN_WITHIN).await;
        let told = told.ok_or_else(|| self.silence())?;
        let Some(node) = told.slots.primary_of(slot_of(key.as_str())) else {
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
        key: &TenantKey,
    ) -> Result<Option<Seat>, RedisUnfit> {
        self.wanted.notify_one();
        let led_to = error.redirect_node();
        let led_to = led_to.and_then(|(to, _slot)| read_node(to, &seat.host));
        Ok(match (error.kind(), led_to) {
            (ErrorKind::Server(ServerErrorKind::Moved), Some(node)) => Some(self.seat_at(&node)?),
            (ErrorKind::Server(ServerErrorKind::Ask), Some(node)) => {
                Some(self.seat_at(&node)?.asking())
            }
            // To a node whose address it doesn't know itself.
            (ErrorKind::Server(ServerErrorKind::Moved), None) => {
                sleep(TOLD_ANEW).await;
                Some(self.seat(key).await?)
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

    async fn told_within(&self, patience: Duration) -> Option<Arc<Told>> {
        let mut told = self.told.subscribe();
        let known = timeout(patience, told.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }

    fn silence(&self) -> RedisUnfit {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        silence.clone().unwrap_or(RedisUnfit::NoSlots)
    }

    /// The primaries, or, while nobody has said who they are, the nodes that the address names.
    fn primaries(&self) -> Vec<Node> {
        let told = self.told.borrow();
        let primaries = told.as_ref().map(|told| told.slots.primaries());
        primaries
            .filter(|primaries| !primaries.is_empty())
            .unwrap_or_else(|| self.nodes.seeds.clone())
    }

    /// Asks all nodes that are known who has which slots, and goes on by what is most to be believed.
    async fn ask(&self) -> Result<(), RedisUnfit> {
        let mut nodes: BTreeSet<_> = self.primaries().into_iter().collect();
        nodes.extend(self.nodes.seeds.iter().cloned());
        let mut answers: FuturesUnordered<_> =
            nodes.into_iter().map(|node| self.ask_node(node)).collect();
        let mut end = Instant::now() + TOLD_WITHIN;
        let (mut best, mut silence) = (None::<Told>, RedisUnfit::NoSlots);
        while let Ok(Some(answer)) = timeout_at(end, answers.next()).await {
            match answer {
                Ok(told) => {
                    end = end.min(Instant::now() + OTHERS_WITHIN);
                    let better = best
                        .as_ref()
                        .is_none_or(|best| best.believable() < told.believable());
                    if better {
                        best = Some(told);
                    }
                }
                Err(unfit) => silence = unfit,
            }
        }
        drop(answers);
        let Some(told) = best else {
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some(silence.clone());
            return Err(silence);
        };
        self.keep(told);
        Ok(())
    }

    fn keep(&self, told: Told) {
        let primaries = told.slots.primaries();
        let is_one = |node: &Node| primaries.contains(node) || self.nodes.seeds.contains(node);
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.retain(|node, _| is_one(node));
        drop(connections);
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.retain(|node, _| is_one(node));
        drop(troubles);
        self.told.send_if_modified(|known| {
            if known.as_deref() == Some(&told) {
                return false;
            }
            tracing::info!(
                primaries = primaries.len(),
                whole = told.slots.is_whole(),
                well = told.well,
                "the Cluster has told who has its slots"
            );
            *known = Some(Arc::new(told));
            true
        });
    }

    async fn ask_node(&self, node: Node) -> Result<Told, RedisUnfit> {
        let connection = self.connection_to(&node)?;
        let ask = async |what: &str| {
            let answer = connection.call(redis::cmd("CLUSTER").arg(what)).await;
            answer.map_err(RedisUnfit::of)
        };
        let info = text(ask("INFO").await?);
        let slots = SlotMap::read(&ask("SLOTS").await?, &node);
        let slots = slots.filter(|slots| !slots.primaries().is_empty());
        let epoch = field(&info, "cluster_current_epoch");
        Ok(Told {
            well: field(&info, "cluster_state").as_deref() == Some("ok"),
            epoch: epoch
                .and_then(|epoch| epoch.parse().ok())
                .unwrap_or_default(),
            slots: slots.ok_or(RedisUnfit::NoSlots)?,
        })
    }

    /// Looks at every primary. One that can't be used is no reason not to use the others; one that would forget is.
    pub(super) async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        self.inspect_within(KNOWN_WITHIN).await
    }

    async fn inspect_within(&self, patience: Duration) -> Result<RedisFindings, RedisUnfit> {
        let told = self.told_within(patience).await;
        let looks = self.primaries().into_iter().map(|node| async move {
            let looked = match self.connection_to(&node) {
                Ok(connection) => connection.inspect().await,
                Err(unfit) => Err(unfit),
            };
            self.tell(&node, looked.as_ref().err());
            looked
        });
        let (mut found, mut missing) = (None::<RedisFindings>, None);
        for looked in join_all(looks).await {
            match looked {
                Ok(one) => found = Some(found.map_or(one.clone(), |all| all.with(&one))),
                Err(unfit @ (RedisUnfit::Evicts(_) | RedisUnfit::NoCluster)) => return Err(unfit),
                Err(unfit) => missing = Some(unfit),
            }
        }
        if missing.is_some() || told.as_ref().is_some_and(|told| !told.well) {
            // Its slots may be another's by now, and it may be well again.
            self.wanted.notify_one();
        }
        match (found, missing, told) {
            (None, Some(unfit), _) => Err(unfit),
            (_, _, None) => Err(self.silence()),
            (_, _, Some(told)) if !told.well => Err(RedisUnfit::ClusterDown),
            (found, missing, Some(told)) => {
                self.shared.note_fit();
                Ok(RedisFindings {
                    partly_missing: missing.is_some() || !told.slots.is_whole(),
                    ..found.unwrap_or_default()
                })
            }
        }
    }

    /// Says what a node has: readiness speaks of all of them in one word.
    fn tell(&self, (host, port): &Node, unfit: Option<&RedisUnfit>) {
        let node = (host.clone(), *port);
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match unfit {
            Some(unfit) => troubles.insert(node, unfit.in_short()),
            None => troubles.remove(&node),
        };
        drop(troubles);
        let node = format!("{host}:{port}");
        match unfit {
            None if before.is_some() => tracing::info!(node, "a node of the Cluster is well again"),
            Some(unfit) if before != Some(unfit.in_short()) => tracing::warn!(
                node,
                error = chain(unfit),
                "a node of the Cluster can't be used; refreshes of its slots are refused with 503"
            ),
            _ => {}
        }
    }
}

#[async_trait]
impl Dependency for Cluster {
    fn name(&self) -> &'static str {
        REDIS
    }

    async fn check(&self) -> Health {
        match self.inspect_within(KNOWN_TO_PROBES_WITHIN).await {
            Err(unfit) => Health::Down(unfit.in_short().into()),
            Ok(found) if found.partly_missing => Health::Degraded("partly unusable".into()),
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
        if let (Err(unfit), false) = (&asked, silent) {
            tracing::warn!(
                error = chain(unfit),
                "no node of the Cluster says who has its slots"
            );
        }
        silent = asked.is_err();
        sleep(ASK_PAUSE).await;
        if !silent {
            let _nobody_asked = timeout(ASKED_EVERY, wanted.notified()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_cut_off_is_believed_less() {
        let told = |well, epoch| {
            let slots = SlotMap::default();
            Told { well, epoch, slots }.believable()
        };
        assert!(
            told(false, 9) < told(true, 1),
            "it says itself that all is lost"
        );
        assert!(told(true, 4) < told(true, 5), "it has missed an election");
        assert!(told(false, 4) < told(false, 5));
    }
}
