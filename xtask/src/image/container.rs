//! A container of a Deployment, run by bubblewrap: the image's files read-only, the user and the
//! environment of the manifest, its secrets where it mounts them, and no privilege at all.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::kubernetes::manifest::{Manifest, list, text};
use crate::tools::{Tools, is_root};

/// The user and the group that the manifests run the image as.
pub(crate) const USER: u32 = 10_001;

/// What a kubelet would have at hand.
pub(crate) struct Node<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) manifest: &'a Manifest,
    /// The image's files, and what it says about itself.
    pub(crate) rootfs: PathBuf,
    pub(crate) config: Value,
    /// Where the secrets are, a folder each.
    pub(crate) secrets: PathBuf,
}

impl Node<'_> {
    /// Keeps a secret as the kubelet does: readable by the group of the pod.
    pub(crate) fn keep_secret(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let folder = self.secrets.join(name);
        fs::create_dir_all(&folder).context("could not make a folder for a secret")?;
        let path = folder.join(key);
        fs::write(&path, value).context("could not write a secret")?;
        fs::set_permissions(&path, Permissions::from_mode(0o440))
            .context("could not set a mode")?;
        if is_root() {
            chown(&path, None, Some(USER)).context("could not hand a secret to the group")?;
        }
        Ok(())
    }

    /// Makes the folders that a runtime mounts something on: the image itself has none.
    pub(crate) fn make_mount_points(&self) -> Result<()> {
        let server = self.manifest.server()?;
        let mounts = server
            .containers()
            .flat_map(|container| list(container, "/volumeMounts"))
            .map(|mount| text(mount, "/mountPath"));
        for path in ["/proc", "/dev"].into_iter().chain(mounts) {
            let folder = self.rootfs.join(path.trim_start_matches('/'));
            fs::create_dir_all(&folder)
                .with_context(|| format!("could not make {}", folder.display()))?;
        }
        Ok(())
    }

    /// The command that runs a container of the Deployment, with other arguments if some are given
    /// and some variables set otherwise.
    pub(crate) fn command(
        &self,
        container: &str,
        arguments: &[&str],
        changed: &BTreeMap<&str, String>,
    ) -> Result<Command> {
        let server = self.manifest.server()?;
        let container = server.container(container)?;
        let user = &server.pod["securityContext"]["runAsUser"];
        ensure!(
            *user == USER,
            "the Deployment runs as {user}, the image as {USER}"
        );

        let mut command = self.unprivileged()?;
        command.arg("--ro-bind").arg(&self.rootfs).arg("/");
        command.args(["--proc", "/proc", "--dev", "/dev"]);
        for mount in list(container, "/volumeMounts") {
            let name = text(mount, "/name");
            let volume = list(server.pod, "/volumes")
                .iter()
                .find(|volume| volume["name"] == name)
                .with_context(|| format!("there is no volume {name}"))?;
            let secret = text(volume, "/secret/secretName");
            command.arg("--ro-bind").arg(self.secrets.join(secret));
            command.arg(text(mount, "/mountPath"));
        }
        command.arg("--clearenv");
        for (name, value) in self.environment(container, changed) {
            command.args(["--setenv", &name, &value]);
        }
        command.arg("--");
        command.args(words(&self.config["Entrypoint"]));
        if arguments.is_empty() {
            command.args(words(&container["args"]));
        } else {
            command.args(arguments);
        }
        Ok(command)
    }

    /// As root, the user is a real one; else it is one in the namespace alone.
    fn unprivileged(&self) -> Result<Command> {
        let bwrap = self.tools.path("bwrap")?;
        let id = USER.to_string();
        let mut command = if is_root() {
            let mut command = Command::new(self.tools.path("setpriv")?);
            command.args(["--pdeathsig=KILL", "--clear-groups", "--no-new-privs"]);
            command
                .args(["--reuid", &id, "--regid", &id, "--"])
                .arg(bwrap);
            command
        } else {
            Command::new(bwrap)
        };
        command.args(["--unshare-user", "--uid", &id, "--gid", &id]);
        command.args([
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--as-pid-1",
        ]);
        command.args(["--cap-drop", "ALL", "--die-with-parent", "--chdir", "/"]);
        command.env_clear();
        Ok(command)
    }

    fn environment(
        &self,
        container: &Value,
        changed: &BTreeMap<&str, String>,
    ) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for pair in words(&self.config["Env"]) {
            if let Some((name, value)) = pair.split_once('=') {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
        for from in list(container, "/envFrom") {
            let name = text(from, "/configMapRef/name");
            let map = self.manifest.find("ConfigMap", name);
            let data = map.and_then(|map| map["data"].as_object());
            for (name, value) in data.into_iter().flatten() {
                all.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        for one in list(container, "/env") {
            all.insert(
                text(one, "/name").to_owned(),
                text(one, "/value").to_owned(),
            );
        }
        for (name, value) in changed {
            all.insert((*name).to_owned(), value.clone());
        }
        all
    }
}

fn words(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What the kernel says about a running process.
pub(crate) struct Process {
    folder: PathBuf,
}

impl Process {
    /// The one process that bubblewrap, or setpriv that became it, has started.
    pub(crate) fn inside(outer: u32) -> Result<(u32, Self)> {
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))
            .context("could not look for the process")?;
        let id = children
            .split_whitespace()
            .next()
            .and_then(|id| id.parse().ok())
            .context("the container has no process")?;
        let folder = Path::new("/proc").join(u32::to_string(&id));
        Ok((id, Self { folder }))
    }

    pub(crate) fn status(&self, name: &str) -> Result<String> {
        let all = fs::read_to_string(self.folder.join("status")).context("the process is gone")?;
        let line = all
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let line = line.with_context(|| format!("the kernel doesn't say {name}"))?;
        Ok(line.trim().to_owned())
    }

    /// An amount of memory, in MiB.
    pub(crate) fn mebibytes(&self, name: &str) -> Result<u64> {
        let text = self.status(name)?;
        let number = text.split(' ').next().unwrap_or_default();
        let kibibytes: u64 = number
            .parse()
            .with_context(|| format!("{name} is {text}"))?;
        Ok(kibibytes / 1024)
    }

    /// No power, no way to one, not root, and nothing to write to.
    pub(crate) fn check_confinement(&self) -> Result<()> {
        for (name, expected) in [
            ("CapEff", "0000000000000000"),
            ("CapPrm", "0000000000000000"),
            ("CapBnd", "0000000000000000"),
            ("NoNewPrivs", "1"),
        ] {
            let found = self.status(name)?;
            ensure!(found == expected, "{name} of the server is {found}");
        }
        if is_root() {
            let users = self.status("Uid")?;
            let ours = USER.to_string();
            ensure!(
                users.split_whitespace().all(|id| id == ours),
                "it runs as {users}"
            );
        }
        let mounts = fs::read_to_string(self.folder.join("mountinfo")).context("it is gone")?;
        for line in mounts.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let (Some(place), Some(options)) = (fields.get(4), fields.get(5)) else {
                continue;
            };
            let own = ["/proc", "/dev"]
                .iter()
                .any(|folder| place.starts_with(folder));
            ensure!(
                own || options.starts_with("ro"),
                "{place} can be written: {options}"
            );
        }
        Ok(())
    }
}
