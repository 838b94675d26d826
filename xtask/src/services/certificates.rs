//! Certificates for the TLS of the scratch servers: an authority of their own, and one that has
//! signed nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The one name that the server's certificate has: by address, it is the wrong one.
const HOST: &str = "localhost";

/// Where they are.
pub(super) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them in a folder of their own inside of `parent`.
    pub(super) fn make(parent: &Path) -> Result<Self> {
        let folder = parent.join("certificates");
        fs::create_dir(&folder).context("could not make a folder for certificates")?;
        fs::set_permissions(&folder, Permissions::from_mode(0o711))
            .context("could not open the folder of the certificates")?;
        let certificates = Self { folder };
        let (issuer, authority) = self::authority("Tokenhouse's tests")?;
        let (_, stranger) = self::authority("A stranger")?;
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(vec![HOST.to_owned()])?;
        let server = server.signed_by(&key, &issuer)?;
        certificates.write("authority.pem", &authority)?;
        certificates.write("stranger.pem", &stranger)?;
        certificates.write("server.pem", &server.pem())?;
        certificates.write("server.key", &key.serialize_pem())?;
        fs::set_permissions(certificates.key(), Permissions::from_mode(0o600))
            .context("could not close the key")?;
        Ok(certificates)
    }

    fn write(&self, name: &str, pem: &str) -> Result<()> {
        fs::write(self.folder.join(name), pem).with_context(|| format!("could not write {name}"))
    }

    /// The folder: `authority.pem`, `stranger.pem`, `server.pem` and `server.key`.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }
}

/// An authority and its certificate.
fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}
