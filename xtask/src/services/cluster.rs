//! A Redis Cluster of three nodes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::redis::Redis;
use super::{Settings, free_port};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::tools::Tools;

/// First and last slot of each node.
const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// A node that has just joined waits two seconds before it says that the cluster is well.
const JOINED_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    pub(super) fn start(
        tools: &Tools,
        settings: Settings,
        folder: &Path,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let started = Instant::now();
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for (first, last) in SLOTS {
            let (folder, bus) = (folder.join(format!("redis-{first}")), free_port()?);
            fs::create_dir(&folder).context("could not make the folder of a node")?;
            let arguments = ["--cluster-enabled", "yes", "--cluster-port"].map(str::to_owned);
            let arguments = [&arguments[..], &[bus.to_string()]].concat();
            let node = Redis::run(tools, settings, &folder, &arguments, interrupt)?;
            tell(&node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
            nodes.push(node);
            buses.push(bus);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port());
            tell(&nodes[0], &meet)?;
        }
        for node in &nodes {
            let joined = interrupt.poll(JOINED_WITHIN, || {
                // On a busy machine an answer may be late; the next one won't be.
                let well = node.ask("CLUSTER INFO");
                Ok(well
                    .is_ok_and(|state| state == "cluster_state:ok")
                    .then_some(()))
            })?;
            joined.context("the nodes of the Redis Cluster don't find one another")?;
        }
        progress.note(format!(
            "Redis Cluster of {} nodes after {} ms",
            nodes.len(),
            started.elapsed().as_millis()
        ));
        Ok(Self { nodes })
    }

    pub(super) fn url(&self) -> String {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    pub(super) fn check(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Redis::check)
    }
}

fn tell(node: &Redis, line: &str) -> Result<()> {
    let answer = node.ask(line)?;
    ensure!(
        answer == "+OK",
        "redis-server answers {line:?} with {answer:?}"
    );
    Ok(())
}
