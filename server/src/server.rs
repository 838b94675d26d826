//! The running server: wires the adapters to the ports, opens both listeners, and stops in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    app::App,
    application::{
        admin::keys,
        audit_retention::AuditRetention,
        clock_watch::{ClockWatch, OnTime},
        error::chain,
        key_rotation::{DataKeyResealing, ScheduledRotation},
        logout_tokens::FreshLogoutTokens,
        ports::{
            Aead, AuditLog, BackgroundWork, Clock, Dependency, Entropy, KeyDirectory, Keyring,
            Outbound, Rotations, Store, Tenants,
        },
        sign_in_retention::SignInRetention,
    },
    config::Settings,
    http::{
        self,
        health::Readiness,
        starting::{Later, Start},
    },
    infrastructure::{
        audit::{self, AuditWriter},
        crypto::{
            self, Aes256Gcm, CachedKeyring, PasswordPool, PasswordPoolOptions, RegisteredKeyJwts,
            SealedKeyMaker,
        },
        database::{
            Database, DatabaseFloors, DatabaseRotations, DatabaseSingleUse, DatabaseStore,
            DatabaseTenants, Dialect,
        },
        entropy::SystemEntropy,
        metrics::{self, CacheLookups, MeteredAudit, MeteredRotations, MetricsBuilder},
        outbound::{self, FetchedClientKeys, Fetcher, LogoutQueue, PublishedEvidence},
        redis::{self, Arrival, FloorWriter, RedisRotations},
        tenant_sweeper::TenantSweeper,
        views::{CachedTenants, CachedViews},
        worker::Worker,
    },
    telemetry, waiting,
};

/// How long clients get to hear of the last logouts.
const LOGOUT_NOTICE: Duration = Duration::from_secs(4);

/// How often to look whether a signing key is to be rotated.
const ROTATION_INTERVAL: Duration = Duration::from_secs(1);
/// How often to look whether a data key is sealed under an old master key: after an import, say.
const RESEALING_INTERVAL: Duration = Duration::from_secs(60);

/// How often to look whether a tenant's audit log or sign-ins are to be swept.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5);
/// How long the store has to take what was to be written behind. Whatever the stores do, a stop takes no longer than
/// 9 s for requests, the notice of logouts, this, a second for probes and 5 s for the last traces: 23 s in all, which
/// `k8s/base/deployment.yaml` grants.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// A server that serves until it is told to stop.
pub struct Server {
    pub public_address: SocketAddr,
    pub management_address: SocketAddr,
    pub app: Arc<App>,
    readiness: Readiness,
    stop_public: watch::Sender<bool>,
    stop_management: watch::Sender<bool>,
    listeners: Listeners,
    floors: Option<Arc<FloorWriter>>,
    _arrival: Option<Arrival>,
    logouts: Arc<LogoutQueue>,
    audit: Arc<AuditWriter>,
    /// They stop when they are dropped.
    workers: [Worker; 4],
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("public_address", &self.public_address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Listens, waits for the database, checks the schema, serves.
    ///
    /// A store that is missing is waited for, however long: the listeners answer meanwhile, and
    /// `/readyz` says what is missing. What waiting doesn't mend is an error.
    pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let public = bind(settings.listen, "TOKENHOUSE_LISTEN")?;
        let management = bind(settings.management_listen, "TOKENHOUSE_MANAGEMENT_LISTEN")?;
        let (public_address, management_address) = (public.local_addr()?, management.local_addr()?);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let start = Start::new(
            &settings.public_url,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            metrics::unwatched(),
        );
        let (stop_public, public_stopped) = watch::channel(false);
        let (stop_management, management_stopped) = watch::channel(false);
        let (to_public, to_management) = (Later::public(&start), Later::management(&start));
        let (public_place, management_place) = (to_public.place(), to_management.place());
        let mut listeners = Listeners {
            public: tokio::spawn(http::serve::serve(
                public,
                to_public,
                public_stopped,
                http::serve::Farewell::TELLING_PEERS,
            )),
            management: tokio::spawn(http::serve::serve(
                management,
                to_management,
                management_stopped,
                http::serve::Farewell::AT_ONCE,
            )),
            started: false,
        };
        let database = waiting::for_the_database(&settings.database_url, &start, &*entropy).await?;
        let Assembled {
            app,
            floors,
            arrival,
            logouts,
            audit,
            workers,
        } = assemble(settings, database, &start, clock, entropy).await?;

        let readiness = Readiness::new(Arc::clone(&app));
        public_place.fill(http::public_endpoint(Arc::clone(&app)));
        // Second: who hears that it is ready will be served.
        management_place.fill(http::management_endpoint(
            Arc::clone(&app),
            readiness.clone(),
        ));
        listeners.started = true;
        Ok(Self {
            public_address,
            management_address,
            listeners,
            app,
            readiness,
            stop_public,
            stop_management,
            floors,
            _arrival: arrival,
            logouts,
            audit,
            workers,
        })
    }

    /// Readiness falls, requests in flight are finished, what was written behind is written, and
    /// only then the probes stop answering.
    pub async fn stop(mut self) {
        self.readiness.drain();
        // The receivers live as long as their tasks: a closed channel means they have ended.
        self.stop_public.send_replace(true);
        log_panic("public listener", (&mut self.listeners.public).await);
        self.logouts.drain(LOGOUT_NOTICE).await;
        // What goes on in the background has nothing to note any more.
        drop(self.workers);
        tokio::join!(
            write_last_floors(self.floors.as_deref()),
            write_last_entries(&self.audit),
        );
        self.stop_management.send_replace(true);
        log_panic(
            "management listener",
            (&mut self.listeners.management).await,
        );
    }
}

async fn write_last_floors(floors: Option<&FloorWriter>) {
    let Some(floors) = floors else {
        return;
    };
    let error = match tokio::time::timeout(LAST_WRITES, floors.flush()).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => chain(&error),
        Err(_elapsed) => "the database doesn't answer".to_owned(),
    };
    // After a loss of Redis, tokens rotated since could be used once more and be caught.
    tracing::error!(error, "the last floors are not written");
}

async fn write_last_entries(audit: &AuditWriter) {
    match tokio::time::timeout(LAST_WRITES, audit.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => audit.give_up(),
    }
}

/// The tasks of both listeners. A start that is given up takes them along.
struct Listeners {
    public: JoinHandle<()>,
    management: JoinHandle<()>,
    started: bool,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        if !self.started {
            self.public.abort();
            self.management.abort();
        }
    }
}

fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    http::serve::bind(address)
        .with_context(|| format!("{address} can't be bound; choose another address with {setting}"))
}

fn log_panic(what: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the {what} failed");
    }
}

/// The container, and what has to be ended in order.
struct Assembled {
    app: Arc<App>,
    floors: Option<Arc<FloorWriter>>,
    arrival: Option<Arrival>,
    logouts: Arc<LogoutQueue>,
    audit: Arc<AuditWriter>,
    workers: [Worker; 4],
}

/// Puts an adapter behind every port.
async fn assemble(
    settings: Settings,
    database: Database,
    start: &Start,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<Assembled> {
    let mut metrics = MetricsBuilder::new();
    let lookups = CacheLookups::default();
    lookups.register(&mut metrics);
    telemetry::register(&mut metrics);
    database.register(&mut metrics);
    let aead: Arc<dyn Aead> = Arc::new(Aes256Gcm);
    let master = Arc::new(settings.master_keys);
    let database_store = Arc::new(DatabaseStore::new(database.clone()));
    let store: Arc<dyn Store> = Arc::clone(&database_store) as _;
    let directory = Arc::new(DatabaseTenants::new(database.clone()));
    let tenants: Arc<dyn Tenants> =
        Arc::new(CachedTenants::new(Arc::clone(&directory) as _, &lookups));
    let audit_writer = Arc::new(AuditWriter::start(
        Arc::clone(&store),
        audit::DEFAULT_CAPACITY,
    ));
    audit_writer.register(&mut metrics);
    let audit = MeteredAudit::new(Arc::clone(&audit_writer) as _, &mut metrics);
    let audit: Arc<dyn AuditLog> = Arc::new(audit);
    let mut dependencies: Vec<Arc<dyn Dependency>> = vec![Arc::new(database.clone())];
    let clock_watch = Arc::new(ClockWatch::new(
        Arc::new(database.clone()),
        Arc::clone(&clock),
    ));
    if database.dialect() == Dialect::Postgres {
        dependencies.push(Arc::clone(&clock_watch) as _);
    }
    let single_use = Arc::new(DatabaseSingleUse::new(database.clone()));
    let (rotations, floors, arrival): (Arc<dyn Rotations>, _, _) = match &settings.redis {
        None => (Arc::new(DatabaseRotations::new(database)), None, None),
        Some(address) => {
            let (redis, arrival) = waiting::for_redis(address, start, &entropy).await?;
            redis.register(&mut metrics);
            dependencies.push(Arc::new(redis.clone()));
            let floors = FloorWriter::start(
                Arc::new(DatabaseFloors::new(database)),
                redis::DEFAULT_CAPACITY,
            );
            floors.register(&mut metrics);
            let floors = Arc::new(floors);
            (
                Arc::new(RedisRotations::new(redis, Arc::clone(&floors))),
                Some(floors),
                arrival,
            )
        }
    };
    let rotations = Arc::new(MeteredRotations::new(rotations, &mut metrics));
    let fetcher = Fetcher::new(settings.outbound_allowed_networks, &settings.dns_servers)
        .context("requests to clients can't be prepared")?;
    let fetcher = Arc::new(fetcher);
    let domain_evidence = PublishedEvidence::new(settings.dns_servers, Arc::clone(&fetcher));
    let outbound: Arc<dyn Outbound> = fetcher;
    let client_keys = FetchedClientKeys::new(Arc::clone(&outbound), Arc::clone(&clock));
    let maker = Arc::new(SealedKeyMaker::new(
        Arc::clone(&master),
        Arc::clone(&aead),
        Arc::clone(&entropy),
    ));
    check_master_keys(&*directory, &master.ids()).await?;
    let keyring = CachedKeyring::new(
        database_store,
        Arc::clone(&master),
        Arc::clone(&aead),
        Arc::clone(&maker),
        Arc::clone(&clock),
        crypto::DEFAULT_CAPACITY,
    );
    keyring.register(&mut metrics);
    let keyring: Arc<dyn Keyring> = Arc::new(keyring);
    let logout_tokens = FreshLogoutTokens {
        store: Arc::clone(&store),
        keyring: Arc::clone(&keyring),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    };
    let logouts = Arc::new(LogoutQueue::start(
        Arc::clone(&outbound),
        Arc::new(logout_tokens),
        Arc::clone(&entropy),
        outbound::DEFAULT_CAPACITY,
    ));
    let on_time = |what, work: Arc<dyn BackgroundWork>, interval| {
        let guarded = OnTime::new(what, work, Arc::clone(&clock_watch));
        Worker::start(what, Arc::new(guarded), interval)
    };
    let workers = [
        on_time(
            "the rotation of signing keys",
            Arc::new(ScheduledRotation {
                agenda: Arc::clone(&directory) as _,
                keyring: Arc::clone(&keyring),
                audit: Arc::clone(&audit),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                public_url: settings.public_url.clone(),
            }),
            ROTATION_INTERVAL,
        ),
        Worker::start(
            "the resealing of data keys",
            Arc::new(DataKeyResealing {
                directory: Arc::clone(&directory) as _,
                maker: Arc::clone(&maker) as _,
                audit: Arc::clone(&audit),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                public_url: settings.public_url.clone(),
            }),
            RESEALING_INTERVAL,
        ),
        on_time(
            "the deletion of old entries of the audit log",
            Arc::new(AuditRetention {
                agenda: Arc::clone(&directory) as _,
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                public_url: settings.public_url.clone(),
            }),
            RETENTION_INTERVAL,
        ),
        on_time(
            "the deletion of old sign-ins",
            Arc::new(SignInRetention {
                agenda: Arc::clone(&directory) as _,
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                public_url: settings.public_url.clone(),
            }),
            RETENTION_INTERVAL,
        ),
    ];
    let options = PasswordPoolOptions::default();
    let passwords = PasswordPool::start(options, Arc::clone(&entropy))?;
    passwords.register(&mut metrics, options.workers);
    let app = App {
        public_url: settings.public_url,
        trusted_proxies: settings.trusted_proxies,
        operator_tokens: settings.operator_tokens,
        clock,
        clock_watch,
        key_maker: maker,
        key_directory: directory,
        single_use,
        client_keys: Arc::new(client_keys),
        outbound,
        logouts: Arc::clone(&logouts) as _,
        domain_evidence: Arc::new(domain_evidence),
        foreign_jwts: Arc::new(RegisteredKeyJwts),
        aead,
        keyring,
        sweeper: Arc::new(TenantSweeper::start(Arc::clone(&tenants))),
        tenants,
        views: Arc::new(CachedViews::new(Arc::clone(&store), &lookups)),
        store,
        rotations,
        audit,
        passwords: Arc::new(passwords),
        entropy,
        dependencies,
        meter: Arc::new(metrics.build()),
    };
    Ok(Assembled {
        app: Arc::new(app),
        floors,
        arrival,
        logouts,
        audit: audit_writer,
        workers,
    })
}

/// Listens for SIGTERM and Ctrl-C from now on, and waits for one of them.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Refuses to serve tenants whose keys nothing here opens: each of their requests would fail.
async fn check_master_keys(
    directory: &dyn KeyDirectory,
    configured: &[&str],
) -> anyhow::Result<()> {
    let missing = keys::missing_master_keys(directory, configured)
        .await
        .context("the directory of tenants can't be read")?;
    ensure!(
        missing.is_empty(),
        "TOKENHOUSE_MASTER_KEY lacks {}, which data keys of tenants are sealed under; add the line again, and \
         take it out when `tokenhouse key master` counts no data key under it",
        missing.join(", ")
    );
    Ok(())
}
