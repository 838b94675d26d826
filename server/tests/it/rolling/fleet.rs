//! Instances as processes, started and ended as a Deployment does it.

use std::{process::Stdio, time::Duration};

use tokio::process::Child;

use super::balancer::{Balancer, Endpoint};
use crate::{
    harness::{MASTER_KEY, OPERATOR_TOKEN, PUBLIC_URL, until},
    process,
};

/// How long it takes until the balancer knows that a pod is to end, as proxies in a cluster do.
const PROPAGATION: Duration = Duration::from_millis(300);
/// `preStop` of the Deployment, shortened like the propagation that it covers.
const PRE_STOP: Duration = Duration::from_millis(800);

/// The stores of the fleet, and the two programs.
pub(super) struct Fleet {
    pub(super) database: String,
    pub(super) redis: Option<String>,
    pub(super) old: String,
    pub(super) new: String,
}

pub(super) struct Instance {
    pub(super) endpoint: Endpoint,
    child: Child,
}

impl Fleet {
    fn command(&self, binary: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = process::command_of(binary, arguments);
        command.env("TOKENHOUSE_DATABASE_URL", &self.database);
        command
    }

    /// `migrate up` of this program, as the init container of a pod.
    pub(super) async fn migrate(&self, binary: &str) -> String {
        let mut command = tokio::process::Command::from(self.command(binary, &["migrate", "up"]));
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A pod: it migrates, serves, and gets connections when it is ready.
    pub(super) async fn start(&self, binary: &str, balancer: &Balancer) -> Instance {
        self.migrate(binary).await;
        let endpoint = Endpoint {
            public: ([127, 0, 0, 1], process::free_port()).into(),
            management: ([127, 0, 0, 1], process::free_port()).into(),
        };
        let mut command = tokio::process::Command::from(self.command(binary, &["serve"]));
        command
            .env("TOKENHOUSE_PUBLIC_URL", PUBLIC_URL)
            .env("TOKENHOUSE_LISTEN", endpoint.public.to_string())
            .env(
                "TOKENHOUSE_MANAGEMENT_LISTEN",
                endpoint.management.to_string(),
            )
            .env("TOKENHOUSE_MASTER_KEY", MASTER_KEY)
            .env("TOKENHOUSE_OPERATOR_TOKEN", OPERATOR_TOKEN)
            .envs(self.redis.iter().map(|url| ("TOKENHOUSE_REDIS_URL", url)))
            .env("TOKENHOUSE_LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        balancer.add(endpoint);
        until("the instance is ready", async || {
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
            balancer.is_ready(endpoint).then_some(())
        })
        .await;
        Instance { endpoint, child }
    }

    /// A pod's end: the balancer hears of it while `preStop` waits, then SIGTERM.
    pub(super) async fn end(&self, mut instance: Instance, balancer: &Balancer) {
        tokio::time::sleep(PROPAGATION).await;
        balancer.remove(instance.endpoint);
        tokio::time::sleep(PRE_STOP - PROPAGATION).await;
        process::terminate(&instance.child);
        assert!(instance.child.wait().await.unwrap().success());
    }

    /// A new pod before the old one goes: `maxSurge: 1`, `maxUnavailable: 0`.
    pub(super) async fn replace(
        &self,
        old: Instance,
        binary: &str,
        balancer: &Balancer,
    ) -> Instance {
        let new = self.start(binary, balancer).await;
        self.end(old, balancer).await;
        new
    }
}
