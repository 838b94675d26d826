//! The address of a database, as the operator writes it, and how its TLS is meant.
//!
//! What is refused here would look like protection and be none.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::infrastructure::tls::check_authorities;

const MODE: &[&str] = &["sslmode", "ssl-mode"];
const ROOT: &[&str] = &["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// How a connection to Postgres is protected. The names are those of `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

/// Why an address can't be used. Never repeats the address: it may carry a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("must begin with sqlite: or postgres:")]
    Scheme,
    #[error("is not a URL: {0}")]
    NotAUrl(String),
    #[error(
        "has the parameter {0:?}, which means nothing: of sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, \
         port, dbname, user, password, application_name, options and statement-cache-capacity, which one was it to be?"
    )]
    UnknownParameter(String),
    #[error(
        "has a user or password with characters that end it: write / as %2F, # as %23, ? as %3F, @ as %40"
    )]
    NotEncoded,
    #[error("has an sslmode that is not known: use disable, prefer, require or verify-full")]
    UnknownMode,
    #[error("has sslmode=allow, which protects nothing: use verify-full, or disable")]
    Allow,
    #[error(
        "has sslmode=verify-ca, with which anybody who has a certificate of a public authority \
         could pose as the database: use verify-full"
    )]
    VerifyCa,
    #[error("has an sslrootcert but no sslmode=verify-full, so that nothing would be verified")]
    UnusedRoot,
    #[error("has sslrootcert={path}, which can't be used: {problem}")]
    Root { path: String, problem: String },
}

/// Checks an address without connecting.
pub fn check_address(address: &str) -> Result<(), BadAddress> {
    if address.starts_with("sqlite:") {
        return Ok(());
    }
    if !address.starts_with("postgres:") && !address.starts_with("postgresql:") {
        return Err(BadAddress::Scheme);
    }
    let url = Url::parse(address).map_err(|error| BadAddress::NotAUrl(error.to_string()))?;
    if url.fragment().is_some() || url.path().contains('@') {
        return Err(BadAddress::NotEncoded);
    }
    // The library passes over them, and logs their values.
    if let Some((unknown, _)) = url.query_pairs().find(|(name, _)| !is_parameter(name)) {
        return Err(BadAddress::UnknownParameter(unknown.into_owned()));
    }
    PgConnectOptions::from_str(address).map_err(|_| match mode(&url) {
        Err(bad) => bad,
        Ok(_) => BadAddress::NotAUrl("a parameter has no such value".to_owned()),
    })?;
    match (mode(&url)?, root(&url)) {
        (_, None) => Ok(()),
        (Mode::VerifyFull, Some(path)) => readable(&path),
        (_, Some(_)) => Err(BadAddress::UnusedRoot),
    }
}

/// The mode to connect with: said here, so that no `PGSSLMODE` of the environment weakens it.
pub(super) fn ssl_mode(address: &str) -> PgSslMode {
    match Url::parse(address).map_or(Err(BadAddress::UnknownMode), |url| mode(&url)) {
        Ok(Mode::Disable) => PgSslMode::Disable,
        Ok(Mode::Prefer) => PgSslMode::Prefer,
        Ok(Mode::Require) => PgSslMode::Require,
        // Of what `check_address` refuses, the strictest is made.
        Ok(Mode::VerifyFull) | Err(_) => PgSslMode::VerifyFull,
    }
}

fn is_parameter(name: &str) -> bool {
    let known = [
        MODE,
        ROOT,
        &["sslcert", "ssl-cert", "sslkey", "ssl-key"],
        &["host", "hostaddr", "port", "dbname", "user", "password"],
        &["application_name", "options", "statement-cache-capacity"],
    ];
    let option = name.starts_with("options[") && name.ends_with(']');
    option || known.iter().any(|names| names.contains(&name))
}

/// As libpq does, the last one counts.
fn parameter(url: &Url, names: &[&str]) -> Option<String> {
    url.query_pairs()
        .filter(|(name, _)| names.contains(&name.as_ref()))
        .last()
        .map(|(_, value)| value.into_owned())
}

fn mode(url: &Url) -> Result<Mode, BadAddress> {
    match parameter(url, MODE).as_deref() {
        Some("disable") => Ok(Mode::Disable),
        None | Some("prefer") => Ok(Mode::Prefer),
        Some("require") => Ok(Mode::Require),
        Some("verify-full") => Ok(Mode::VerifyFull),
        Some("verify-ca") => Err(BadAddress::VerifyCa),
        Some("allow") => Err(BadAddress::Allow),
        Some(_) => Err(BadAddress::UnknownMode),
    }
}

fn root(url: &Url) -> Option<String> {
    parameter(url, ROOT)
}

fn readable(path: &str) -> Result<(), BadAddress> {
    std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|pem| check_authorities(&pem))
        .map_err(|problem| BadAddress::Root {
            path: path.to_owned(),
            problem,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_that_protect_nothing_are_refused_by_name() {
        let check =
            |parameters: &str| check_address(&format!("postgres://u:hunter2@db/x{parameters}"));
        for good in [
            "",
            "?sslmode=disable",
            "?sslmode=prefer",
            "?sslmode=require",
            "?sslmode=verify-full",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("?sslmode=verify-ca"), Err(BadAddress::VerifyCa));
        assert_eq!(check("?sslmode=allow"), Err(BadAddress::Allow));
        assert_eq!(check("?sslmode=verified"), Err(BadAddress::UnknownMode));
        // The last one counts, for the library as for us.
        assert_eq!(
            check("?sslmode=verify-full&ssl-mode=allow"),
            Err(BadAddress::Allow)
        );
        for weak in [
            "",
            "sslmode=prefer&",
            "sslmode=require&",
            "sslmode=disable&",
        ] {
            let with_root = format!("?{weak}sslrootcert=/dev/null");
            assert_eq!(check(&with_root), Err(BadAddress::UnusedRoot), "{weak}");
        }
        assert_eq!(
            check_address("mysql://u:hunter2@db/x"),
            Err(BadAddress::Scheme)
        );
        assert!(matches!(check("?port=none"), Err(BadAddress::NotAUrl(_))));
    }

    /// `ssl_mode=verify-full` would verify nothing.
    #[test]
    fn what_the_library_would_pass_over_is_refused_by_name() {
        for (parameters, name) in [
            ("?ssl_mode=verify-full", "ssl_mode"),
            ("?SSLMODE=require", "SSLMODE"),
            ("?sslmode=require&sslpassword=hunter2", "sslpassword"),
            ("?options[search_path", "options[search_path"),
        ] {
            let refused = check_address(&format!("postgres://u@db/x{parameters}"));
            let refused = refused.expect_err(parameters);
            assert_eq!(refused, BadAddress::UnknownParameter(name.to_owned()));
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
        for good in [
            "?options[search_path]=a&application_name=b",
            "?host=/run/postgresql&user=u&password=p&dbname=x",
        ] {
            assert_eq!(check_address(&format!("postgres://db{good}")), Ok(()));
        }
    }

    /// What follows would be taken for the host, and the password told as its port.
    #[test]
    fn passwords_that_end_early_are_refused_untold() {
        for address in [
            "postgres://u:1234/5@db/x",
            "postgres://u:1234#5@db/x",
            "postgres://u:1234#5@db/x?sslmode=require",
        ] {
            assert_eq!(check_address(address), Err(BadAddress::NotEncoded));
        }
        assert!(check_address("postgres://u:1234?5@db/x").is_err());
        assert_eq!(check_address("postgres://u:a%2Fb%23c@db/x"), Ok(()));
    }

    #[test]
    fn a_file_of_authorities_has_to_be_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let check = || {
            let address = format!(
                "postgres://db/x?sslmode=verify-full&sslrootcert={}",
                file.display()
            );
            check_address(&address)
        };
        assert!(matches!(check(), Err(BadAddress::Root { .. })), "absent");
        std::fs::write(&file, "no certificate").expect("a file");
        assert!(
            matches!(check(), Err(BadAddress::Root { .. })),
            "another file"
        );
        let pem = rcgen::generate_simple_self_signed(["ca".to_owned()])
            .expect("a certificate")
            .cert
            .pem();
        std::fs::write(&file, pem).expect("a file");
        assert_eq!(check(), Ok(()));
    }
}
