//! The server under test: `tokenhouse serve` of this build, with settings from the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::SERVER_CORE;
use crate::http;
use crate::process::{Server, free_address, on_core};

const BINARY: &str = env!("CARGO_BIN_EXE_tokenhouse");

const START_LIMIT: Duration = Duration::from_secs(30);

/// Where one instance keeps its state.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) name: &'static str,
    pub(crate) database_url: String,
    pub(crate) redis_url: Option<String>,
}

/// One running instance.
pub(crate) struct Product {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) operator_token: String,
    /// From the start of the process to the first `/readyz` that answers 200.
    pub(crate) ready_after: Duration,
}

/// Settings that stay the same over the starts of one instance.
pub(crate) struct Installation {
    stores: Stores,
    master_key: String,
    operator_token: String,
    folder: PathBuf,
}

impl Installation {
    /// Makes the secrets and the schema.
    pub(crate) fn new(stores: Stores, folder: &Path) -> Result<Self> {
        let keygen = run(Command::new(BINARY).arg("keygen"))?;
        let master_key = keygen.lines().rfind(|line| !line.trim().is_empty());
        let master_key = master_key
            .context("keygen printed no key")?
            .trim()
            .to_owned();
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret)
            .ok()
            .context("no randomness")?;
        let operator_token = format!("tho_{}", URL_SAFE_NO_PAD.encode(secret));
        let installation = Self {
            stores,
            master_key,
            operator_token,
            folder: folder.to_owned(),
        };
        let mut migrate = Command::new(BINARY);
        migrate.args(["migrate", "up"]);
        installation.configure(&mut migrate, free_address()?, free_address()?);
        run(&mut migrate).context("tokenhouse migrate up")?;
        Ok(installation)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.stores.name
    }

    pub(crate) fn start(&self) -> Result<Product> {
        let (address, management) = (free_address()?, free_address()?);
        let mut command = on_core(SERVER_CORE, BINARY);
        command.arg("serve");
        self.configure(&mut command, address, management);
        let log = self.folder.join(format!("{}.log", self.stores.name));
        let started = Instant::now();
        let mut server = Server::spawn(&mut command, log)?;
        let ready = http::request("GET", "/readyz", "localhost", &["Connection: close"], None);
        while !matches!(http::call(management, &ready), Ok((200, _))) {
            server.check()?;
            ensure!(
                started.elapsed() < START_LIMIT,
                "not ready:\n{}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let ready_after = started.elapsed();
        Ok(Product {
            server,
            address,
            operator_token: self.operator_token.clone(),
            ready_after,
        })
    }

    fn configure(&self, command: &mut Command, public: SocketAddr, management: SocketAddr) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TOKENHOUSE_") {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.folder);
        command.env(
            "TOKENHOUSE_PUBLIC_URL",
            format!("http://localhost:{}", public.port()),
        );
        command.env("TOKENHOUSE_LISTEN", public.to_string());
        command.env("TOKENHOUSE_MANAGEMENT_LISTEN", management.to_string());
        command.env("TOKENHOUSE_DATABASE_URL", &self.stores.database_url);
        if let Some(url) = &self.stores.redis_url {
            command.env("TOKENHOUSE_REDIS_URL", url);
        }
        command.env("TOKENHOUSE_MASTER_KEY", &self.master_key);
        command.env("TOKENHOUSE_OPERATOR_TOKEN", &self.operator_token);
        command.env("TOKENHOUSE_LOG", "warn");
    }
}

pub(crate) fn binary_bytes() -> Result<u64> {
    Ok(std::fs::metadata(BINARY)
        .context("the binary is gone")?
        .len())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("could not run {BINARY}"))?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        reason.trim()
    );
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}
