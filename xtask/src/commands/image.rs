//! `cargo xtask image`

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::image::build::{self, Builder};
use crate::image::container::Node;
use crate::image::exercise;
use crate::interrupt::Interrupt;
use crate::kubernetes::manifest::Manifest;
use crate::kubernetes::variants;
use crate::process::run_logged;
use crate::progress::Progress;
use crate::python::{MANIFESTS, PythonTools};
use crate::services::{Scratch, Settings, free_port};
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Builds the container image, and runs it the way the Deployment does.
///
/// Needs no container engine: buildah builds, bubblewrap runs. The container gets the arguments,
/// environment, user and secret mounts of k8s/overlays/production, and a scratch Postgres and Redis:
/// it migrates, serves, answers, and stops on SIGTERM. Leaves dist/rootfs and
/// dist/tokenhouse-image.tar.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask image --release          the real one: some minutes
  cargo xtask image                    compiled with little optimisation, for tests of the image
  docker load -i dist/tokenhouse-image.tar
  kind load image-archive dist/tokenhouse-image.tar")]
pub(crate) struct Image {
    /// Compile with all optimisations, as for production
    #[arg(long)]
    release: bool,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl Image {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Image, !self.no_install, progress, interrupt)
        })?;
        let python = progress.phase("python", |progress| {
            PythonTools::ready(MANIFESTS, &workspace, &tools, progress, interrupt)
        })?;
        let profile = if self.release {
            "release"
        } else {
            "image-test"
        };
        progress.phase("binary", |progress| {
            progress.note(format!("cargo build --profile {profile}, static"));
            build::rootfs(&workspace, profile, interrupt)
        })?;
        // The container's user has to get through to its files.
        let work = tempfile::Builder::new()
            .prefix("tokenhouse-image-")
            .tempdir();
        let work = work.context("could not make a temporary folder")?;
        fs::set_permissions(work.path(), Permissions::from_mode(0o711))
            .context("could not open the folder for the container")?;
        let builder = Builder {
            workspace: &workspace,
            tools: &tools,
            interrupt,
            work: work.path(),
        };
        let (rootfs, config) =
            progress.phase("image", |progress| build_and_check(&builder, progress))?;
        let variant =
            variants::render_production(&workspace.root.join("k8s"), &python.program("kubectl"))?;
        let manifest = Manifest::parse(&variant)?;
        let node = Node {
            tools: &tools,
            manifest: &manifest,
            rootfs,
            config,
            secrets: work.path().join("secrets"),
        };
        let scratch = progress.phase("services", |progress| {
            Scratch::start(&tools, Settings::default(), progress, interrupt)
        })?;
        progress.phase("container", |progress| {
            live(&workspace, &node, &scratch, progress, interrupt)
        })?;
        drop(scratch);
        progress.phase("archive", |progress| {
            let archive = builder.export()?;
            progress.note(format!("{} is in {}", build::NAME, archive.display()));
            Ok(())
        })?;
        progress.summary("the image works");
        Ok(())
    }
}

fn build_and_check(
    builder: &Builder<'_>,
    progress: &Progress,
) -> Result<(std::path::PathBuf, serde_json::Value)> {
    let digest = builder.build()?;
    let again = builder.build()?;
    ensure!(
        digest == again,
        "two builds have the digests {digest} and {again}"
    );
    let config = builder.inspect()?;
    build::check_config(&config)?;
    let rootfs = builder.unpack()?;
    let size = build::check_files(&rootfs)?;
    progress.note(format!(
        "{digest} (twice the same), {:.1} MiB of files",
        size as f64 / f64::from(1 << 20)
    ));
    Ok((rootfs, config))
}

/// Gives the container its secrets, and runs it.
fn live(
    workspace: &Workspace,
    node: &Node<'_>,
    scratch: &Scratch,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<()> {
    fs::create_dir_all(&node.secrets).context("could not make a folder for secrets")?;
    node.make_mount_points()?;
    let stores: BTreeMap<_, _> = scratch.environment().into_iter().collect();
    // Nothing is mounted for keygen: it needs no settings.
    for secret in ["tokenhouse-keys", "tokenhouse-database", "tokenhouse-redis"] {
        fs::create_dir_all(node.secrets.join(secret)).context("could not make a folder")?;
    }
    let master_key = exercise::run_once(node, "migrate", &["keygen"], &BTreeMap::new())?;
    node.keep_secret("tokenhouse-keys", "master-key", &master_key)?;
    let token = format!("tho_{}", "0123456789abcdef".repeat(4));
    node.keep_secret("tokenhouse-keys", "operator-token", &token)?;
    node.keep_secret(
        "tokenhouse-database",
        "url",
        &stores["TOKENHOUSE_TEST_POSTGRES_URL"],
    )?;
    node.keep_secret(
        "tokenhouse-redis",
        "url",
        &stores["TOKENHOUSE_TEST_REDIS_URL"],
    )?;

    let admin = &stores["TOKENHOUSE_TEST_POSTGRES_ADMIN_URL"];
    make_role(workspace, node, admin, interrupt)?;
    exercise::migrate_twice(node)?;
    progress.note("two migrations at once: one did it");
    let address = || -> Result<SocketAddr> { Ok((Ipv4Addr::LOCALHOST, free_port()?).into()) };
    let measured = exercise::serve(node, address()?, address()?, progress, interrupt)?;
    progress.note(format!(
        "started in {} ms, stopped {} ms after SIGTERM; {} to {} MiB",
        measured.start.as_millis(),
        measured.stop.as_millis(),
        measured.idle,
        measured.peak
    ));
    Ok(())
}

/// Makes role and database anew by the script that the overlay `local` gives to Postgres.
fn make_role(
    workspace: &Workspace,
    node: &Node<'_>,
    admin: &str,
    interrupt: &Interrupt,
) -> Result<()> {
    let port = admin
        .rsplit_once(':')
        .and_then(|(_, rest)| rest.split('/').next())
        .context("the address of Postgres has a port")?;
    let log = node.secrets.join("psql.log");
    let psql = node.tools.postgres("psql")?;
    let mut drop_old = Command::new(&psql);
    drop_old.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", admin]);
    drop_old.args([
        "-c",
        "DROP DATABASE tokenhouse",
        "-c",
        "DROP ROLE tokenhouse",
    ]);
    run_logged(&mut drop_old, &log, interrupt)?;

    node.keep_secret("postgres", "password", "correct-horse")?;
    let folder = psql.parent().map(Path::to_path_buf).unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder].into_iter().chain(env::split_paths(&path));
    let mut script = Command::new(workspace.root.join("k8s/overlays/local/create-role.sh"));
    script
        .env(
            "PATH",
            env::join_paths(folders).context("a folder has a colon in its name")?,
        )
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port)
        .env("POSTGRES_USER", "postgres")
        .env("SECRETS", node.secrets.join("postgres"));
    run_logged(&mut script, &log, interrupt)
}
