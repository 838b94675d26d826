//! What the rows are compared with: a static answer, and argon2 with nothing around it.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use poem::listener::TcpListener;
use poem::{Route, get, handler};

use crate::SERVER_CORE;
use crate::process::{Server, free_address, on_core};

/// The parameters of the server's password hashes.
const ARGON2_MEMORY_KIB: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;

#[handler]
fn hello() -> &'static str {
    "hello"
}

/// Serves the static answer until it is killed.
pub(crate) fn serve_hello(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let routes = Route::new().at("/", get(hello));
    let server = poem::Server::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    runtime
        .block_on(server.run(routes))
        .context("the static answer could not be served")
}

/// The static answer, as a child on the server's core.
pub(crate) struct Hello {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Hello {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = on_core(SERVER_CORE, std::env::current_exe().context("who am I?")?);
        command.arg("hello").arg(address.port().to_string());
        let mut server = Server::spawn(&mut command, folder.join("hello.log"))?;
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            server.check()?;
            ensure!(
                started.elapsed() < Duration::from_secs(10),
                "the static answer is not served"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { server, address })
    }
}

/// Hashes for a while and prints how many were made.
pub(crate) fn count_hashes(length: Duration) -> Result<()> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None);
    let params = params.map_err(|error| anyhow::anyhow!("argon2 parameters: {error}"))?;
    // Allocated once, as a server that hashes all day does.
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    let mut count = 0_u64;
    let started = Instant::now();
    while started.elapsed() < length {
        argon2
            .hash_password_into_with_memory(
                b"password",
                b"sixteen bytes ok",
                &mut output,
                &mut memory,
            )
            .map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
        black_box(&output);
        count += 1;
    }
    println!("{}", count as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

/// Hashes a second of one thread on the server's core: a child, since this process is on another.
pub(crate) fn hashes_per_second(length: Duration) -> Result<f64> {
    let mut command = on_core(SERVER_CORE, std::env::current_exe().context("who am I?")?);
    command
        .arg("argon2")
        .arg(length.as_millis().to_string())
        .stdin(Stdio::null());
    let output = command.output().context("could not run argon2")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .with_context(|| format!("argon2 printed {text:?}"))
}
