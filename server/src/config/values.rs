//! What one setting may be. No message repeats the value: it may be a secret.

use std::net::{IpAddr, SocketAddr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    domain::{
        networks::{Networks, NotANetwork},
        secret::{Operator, TokenDigest},
    },
    infrastructure::database,
};

pub(super) fn check_public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let loopback = match url.host() {
        Some(url::Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("must have a host".to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err("must begin with https:// (http:// only for a loopback host)".to_owned()),
    }
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
    {
        return Err("must have neither path, query, fragment nor user name".to_owned());
    }
    Ok(url)
}

pub(super) fn check_database_url(text: &str) -> Result<Zeroizing<String>, String> {
    database::check_address(text).map_err(|bad| bad.to_string())?;
    Ok(Zeroizing::new(text.to_owned()))
}

pub(super) fn check_collector(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(
            "must begin with http:// or https://, such as http://otel-collector:4318".to_owned(),
        ),
    }
}

/// A level, or levels by module. A word that is none would be taken for a module, and everything else
/// would be silent.
pub(super) fn check_log_filter(text: &str) -> Result<String, String> {
    let bare = |part: &&str| !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_err();
    let mut parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    if parts.any(|part| bare(&part)) || EnvFilter::try_new(text).is_err() {
        return Err(
            "must be a level (off, error, warn, info, debug, trace), or levels by module, such as \
             tokenhouse=debug,info"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// `smtp://host`, `smtps://host`, with a port and credentials or without.
pub(super) fn check_mail_server(text: &str) -> Result<(), String> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| ["smtp", "smtps"].contains(&url.scheme()));
    match url.and_then(|url| url.host_str().map(str::is_empty)) {
        Some(false) => Ok(()),
        _ => Err(
            "must begin with smtp:// or smtps:// and have a host, such as smtp://mail.example.com:587"
                .to_owned(),
        ),
    }
}

pub(super) fn check_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok();
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "must be a number from 0 to 1, such as 0.1".to_owned())
}

pub(super) fn check_networks(text: &str) -> Result<Networks, String> {
    text.parse().map_err(|error: NotANetwork| error.to_string())
}

pub(super) fn check_dns_servers(text: &str) -> Result<Vec<SocketAddr>, String> {
    let server = |part: &str| {
        let bare = part.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        bare.or_else(|_| part.parse())
    };
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(server)
        .collect::<Result<_, _>>()
        .map_err(|_| {
            "must be addresses of name servers with commas between them, such as 10.0.0.2 or 10.0.0.2:5353"
                .to_owned()
        })
}

pub(super) fn check_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an address and a port, such as 127.0.0.1:8080".to_owned())
}

pub(super) fn check_operator_tokens(text: &str) -> Result<Vec<TokenDigest<Operator>>, String> {
    let tokens: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if tokens.is_empty() {
        return Err("has no token".to_owned());
    }
    // Short tokens can be guessed; a guess costs an attacker one request.
    if let Some(line) = tokens.iter().position(|token| token.len() < 32) {
        return Err(format!(
            "line {}: a token must have at least 32 characters",
            line + 1
        ));
    }
    Ok(tokens.into_iter().map(TokenDigest::of).collect())
}
