//! What goes wrong with the certificates of stores, whichever library says so.

use std::{error::Error, io, sync::Arc};

use rustls::{
    CertificateError,
    pki_types::{CertificateDer, pem, pem::PemObject},
};

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateTrouble {
    UnknownAuthority,
    WrongName,
    /// Expired, or not valid yet.
    NotNow,
    Other,
}

/// Whether an error is about the server's certificate.
pub fn certificate_trouble(error: &(dyn Error + 'static)) -> Option<CertificateTrouble> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(trouble(reason));
        }
        cause = inner(error);
    }
    None
}

/// What an error wraps. The `source` of an I/O error or a shared one is that of what it wraps.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|inner| inner as _);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(shared.as_ref());
    }
    error.source()
}

fn trouble(reason: &CertificateError) -> CertificateTrouble {
    match reason {
        CertificateError::UnknownIssuer => CertificateTrouble::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateTrouble::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => CertificateTrouble::NotNow,
        _ => CertificateTrouble::Other,
    }
}

/// Checks that a text has certificates in PEM, and nothing that can't be read as one.
pub fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let read: Result<Vec<CertificateDer<'_>>, pem::Error> =
        CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Err(error) => Err(format!("a certificate can't be read: {error}")),
        Ok(none) if none.is_empty() => Err("there is no certificate in PEM".to_owned()),
        Ok(_) => Ok(()),
    }
}
