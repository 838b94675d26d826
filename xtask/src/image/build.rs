//! The static binary, and the image around it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run, run_logged};
use crate::tools::{Tools, is_root};
use crate::workspace::{Workspace, cargo};

pub(crate) const NAME: &str = "localhost/tokenhouse:dev";

/// Everything that is in the image. One more file is a decision, not an accident.
const FILES: [&str; 4] = [
    "etc/group",
    "etc/passwd",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/bin/tokenhouse",
];

/// Where distributions keep the certificates of public authorities.
const AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

const LARGEST: u64 = 40 << 20;

/// Compiles the binary and puts what belongs into the image into `dist/rootfs`.
pub(crate) fn rootfs(workspace: &Workspace, profile: &str, interrupt: &Interrupt) -> Result<()> {
    let rustc = Command::new("rustc")
        .args(["--print", "host-tuple"])
        .current_dir(&workspace.root)
        .output()
        .context("could not run rustc")?;
    let target = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
    ensure!(!target.is_empty(), "rustc --print host-tuple says nothing");
    let mut build = Command::new(cargo());
    build
        .current_dir(&workspace.root)
        .args(["build", "--locked", "--package", "tokenhouse-server"])
        .args(["--bin", "tokenhouse", "--profile", profile])
        // With a target named, the flags leave build scripts and macros alone.
        .args(["--target", &target])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    expect_success("cargo build", run(&mut build, interrupt)?)?;

    let root = workspace.root.join("dist/rootfs");
    if root.exists() {
        fs::remove_dir_all(&root).context("could not empty dist/rootfs")?;
    }
    let binary = workspace
        .target
        .join(target)
        .join(profile)
        .join("tokenhouse");
    place(&binary, &root.join("usr/bin/tokenhouse"), 0o755)?;
    let mut bundles = AUTHORITIES.iter().map(Path::new);
    let bundle = bundles
        .find(|path| path.exists())
        .context("no certificates of authorities here: install the package ca-certificates")?;
    place(
        bundle,
        &root.join("etc/ssl/certs/ca-certificates.crt"),
        0o644,
    )
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let folder = to.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("could not copy {}", from.display()))?;
    fs::set_permissions(to, Permissions::from_mode(mode)).context("could not set a mode")
}

/// Builds images in a storage of its own.
pub(crate) struct Builder<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) tools: &'a Tools,
    pub(crate) interrupt: &'a Interrupt,
    /// A folder that is thrown away.
    pub(crate) work: &'a Path,
}

impl Builder<'_> {
    fn buildah(&self) -> Result<Command> {
        let mut command = Command::new(self.tools.path("buildah")?);
        command.args(["--storage-driver", "vfs", "--root"]);
        command.arg(self.work.join("store"));
        command.arg("--runroot").arg(self.work.join("run"));
        command.current_dir(&self.workspace.root);
        Ok(command)
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        run_logged(command, &self.work.join("buildah.log"), self.interrupt)
    }

    /// Builds the stage that takes a finished binary; the digest of what comes out.
    pub(crate) fn build(&self) -> Result<String> {
        let git = |arguments: &[&str]| -> Result<String> {
            let output = Command::new("git")
                .args(arguments)
                .current_dir(&self.workspace.root)
                .output()
                .context("could not run git")?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let revision = git(&["rev-parse", "HEAD"])?;
        // The same commit gives the same digest, whenever it is built.
        let time = git(&["log", "-1", "--format=%ct"])?;
        let mut build = self.buildah()?;
        build
            .args([
                "bud",
                "--isolation=chroot",
                "--no-cache",
                "--format",
                "docker",
            ])
            // Its lines name a container, which is another each time.
            .arg("--omit-history")
            .args(["--target", "prebuilt", "--timestamp", &time])
            .arg(format!("--build-arg=VERSION={}", env!("CARGO_PKG_VERSION")))
            .arg(format!("--build-arg=REVISION={revision}"))
            .args(["--tag", NAME, "--file", "Dockerfile", "."]);
        self.run(&mut build)?;
        let digest = self.work.join("digest");
        let layout = self.work.join("oci");
        if layout.exists() {
            fs::remove_dir_all(&layout).context("could not empty a folder")?;
        }
        let mut push = self.buildah()?;
        push.args(["push", "--digestfile"]).arg(&digest).arg(NAME);
        push.arg(format!("oci:{}:image", layout.display()));
        self.run(&mut push)?;
        let digest = fs::read_to_string(digest).context("buildah wrote no digest")?;
        Ok(digest.trim().to_owned())
    }

    /// Leaves the image where Docker, kind and skopeo can take it from.
    pub(crate) fn export(&self) -> Result<PathBuf> {
        let archive = self.workspace.root.join("dist/tokenhouse-image.tar");
        if archive.exists() {
            fs::remove_file(&archive).context("could not remove the old archive")?;
        }
        let mut push = self.buildah()?;
        push.args(["push", NAME]);
        push.arg(format!("docker-archive:{}:{NAME}", archive.display()));
        self.run(&mut push)?;
        Ok(archive)
    }

    /// What the image says about itself.
    pub(crate) fn inspect(&self) -> Result<Value> {
        let mut inspect = self.buildah()?;
        inspect.args(["inspect", "--type", "image", NAME]);
        let output = inspect.output().context("could not run buildah")?;
        let all: Value =
            serde_json::from_slice(&output.stdout).context("buildah printed something odd")?;
        Ok(all["Docker"]["config"].clone())
    }

    /// Unpacks it, as a runtime would.
    pub(crate) fn unpack(&self) -> Result<PathBuf> {
        let bundle = self.work.join("bundle");
        let mut unpack = Command::new(self.tools.path("umoci")?);
        unpack.arg("unpack");
        if !is_root() {
            unpack.arg("--rootless");
        }
        unpack
            .arg("--image")
            .arg(format!("{}:image", self.work.join("oci").display()))
            .arg(&bundle);
        self.run(&mut unpack)?;
        // The container's user has to get through to its files.
        fs::set_permissions(&bundle, Permissions::from_mode(0o711))
            .context("could not open the bundle for the container")?;
        Ok(bundle.join("rootfs"))
    }
}

/// Checks what a registry, a scanner or Docker reads off the image.
pub(crate) fn check_config(config: &Value) -> Result<()> {
    let labels = &config["Labels"];
    for (what, found, expected) in [
        ("user", &config["User"], Value::from("10001:10001")),
        (
            "entry point",
            &config["Entrypoint"],
            serde_json::json!(["/usr/bin/tokenhouse"]),
        ),
        ("command", &config["Cmd"], serde_json::json!(["serve"])),
        (
            "health check",
            &config["Healthcheck"]["Test"],
            serde_json::json!(["CMD", "/usr/bin/tokenhouse", "healthcheck"]),
        ),
        (
            "version",
            &labels["org.opencontainers.image.version"],
            Value::from(env!("CARGO_PKG_VERSION")),
        ),
        (
            "licence",
            &labels["org.opencontainers.image.licenses"],
            Value::from("Apache-2.0"),
        ),
    ] {
        ensure!(
            *found == expected,
            "the {what} of the image is {found}, not {expected}"
        );
    }
    let revision = labels["org.opencontainers.image.revision"].as_str();
    ensure!(
        revision.is_some_and(|text| text.len() == 40),
        "the revision of the image is {revision:?}"
    );
    Ok(())
}

/// Checks the files of the image; their size together.
pub(crate) fn check_files(root: &Path) -> Result<u64> {
    let mut files = BTreeMap::new();
    list(root, root, &mut files)?;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    ensure!(names == FILES, "the image has the files {names:?}");
    let size = files.values().sum();
    ensure!(
        size <= LARGEST,
        "the image has {size} bytes, more than {LARGEST}"
    );
    Ok(size)
}

fn list(root: &Path, folder: &Path, files: &mut BTreeMap<String, u64>) -> Result<()> {
    for entry in fs::read_dir(folder).context("could not read the image")? {
        let entry = entry.context("could not read the image")?;
        let meta = entry.metadata().context("could not read the image")?;
        // setuid, setgid and files that everybody may change have no place here.
        ensure!(
            meta.permissions().mode() & 0o6022 == 0,
            "{} has mode {:o}",
            entry.path().display(),
            meta.permissions().mode()
        );
        if meta.is_dir() {
            list(root, &entry.path(), files)?;
        } else {
            let path = entry.path();
            let name = path.strip_prefix(root).context("it is below the root")?;
            files.insert(name.to_string_lossy().into_owned(), meta.len());
        }
    }
    Ok(())
}
