//! Settings: from the environment, `X_FILE` files and a TOML file, checked before anything starts.
//!
//! Every problem is found in one pass and has its own line, so that an operator mends them at once.

mod catalogue;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use url::Url;
use zeroize::Zeroizing;

pub use self::catalogue::{Absent, SETTINGS, Setting};
use self::{
    catalogue::setting,
    values::{
        check_address, check_collector, check_database_url, check_dns_servers, check_log_filter,
        check_mail_server, check_networks, check_operator_tokens, check_public_url, check_ratio,
    },
};
use crate::{
    domain::{
        networks::Networks,
        secret::{Operator, TokenDigest},
    },
    infrastructure::{crypto::MasterKeys, redis::RedisAddress, tls::check_authorities},
    telemetry::TraceSettings,
};

const PREFIX: &str = "TOKENHOUSE_";

/// What the server runs with. Everything in it was checked.
pub struct Settings {
    pub public_url: Url,
    pub listen: SocketAddr,
    pub management_listen: SocketAddr,
    pub database_url: Zeroizing<String>,
    /// Without one, the hot state is in the database.
    pub redis: Option<RedisAddress>,
    pub master_keys: MasterKeys,
    pub operator_tokens: Vec<TokenDigest<Operator>>,
    pub outbound_allowed_networks: Networks,
    /// Empty: those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("public_url", &self.public_url.as_str())
            .finish_non_exhaustive()
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// Everything that is wrong with the settings, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for SettingsError {}

/// Settings as text, before they are checked.
#[derive(Default)]
pub struct RawSettings {
    values: BTreeMap<String, Zeroizing<String>>,
    /// What was given and can't be read: it is not missing.
    unread: BTreeSet<String>,
    problems: Vec<String>,
}

impl fmt::Debug for RawSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl RawSettings {
    /// Reads the file, then the environment over it.
    pub fn read(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut raw = Self::default();
        if let Some(path) = file {
            raw.read_toml(path);
        }
        raw.read_environment(environment);
        raw
    }

    fn read_toml(&mut self, path: &Path) {
        let table = std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                text.parse::<toml::Table>()
                    .map_err(|error| error.message().to_owned())
            });
        let table = match table {
            Ok(table) => table,
            Err(error) => {
                return self
                    .problems
                    .push(format!("--config {}: {error}", path.display()));
            }
        };
        for (key, value) in table {
            let name = format!("{PREFIX}{}", key.to_ascii_uppercase());
            match value {
                toml::Value::String(text) => {
                    self.take(&name, text, &format!("{key} in {}", path.display()));
                }
                _ if setting(&name).is_some() || name.ends_with("_FILE") => self
                    .problems
                    .push(format!("{key} in {} must be a string", path.display())),
                _ => self.problems.push(format!(
                    "{key} in {} is no setting of this version",
                    path.display()
                )),
            }
        }
    }

    fn read_environment(&mut self, environment: impl Iterator<Item = (String, String)>) {
        let mut given = BTreeMap::new();
        for (name, value) in environment {
            // Our own tests and tools share the prefix.
            let ours = name.starts_with(PREFIX) && !name.starts_with("TOKENHOUSE_TEST_");
            if ours && !value.is_empty() {
                given.insert(name, value);
            }
        }
        for (name, value) in &given {
            let twice = name
                .strip_suffix("_FILE")
                .filter(|base| given.contains_key(*base));
            if let Some(base) = twice {
                self.problems.push(format!(
                    "{base} and {name} are both set: one of them has to go"
                ));
            }
            self.take(name, value.clone(), name);
        }
    }

    /// Keeps a known setting, reads the file of an `_FILE` one, and notes an unknown one: a
    /// misspelt name must not be a setting that silently keeps its default.
    fn take(&mut self, name: &str, value: String, shown: &str) {
        let known = |name: &str| setting(name).is_some();
        if known(name) {
            self.values.insert(name.to_owned(), Zeroizing::new(value));
        } else if let Some(base) = name.strip_suffix("_FILE").filter(|base| known(base)) {
            match std::fs::read_to_string(&value) {
                Ok(text) => {
                    self.values
                        .insert(base.to_owned(), Zeroizing::new(text.trim_end().to_owned()));
                }
                // The value itself, put in by mistake, is not to be repeated.
                Err(error) => {
                    self.unread.insert(base.to_owned());
                    self.problems.push(unreadable(shown, base, &value, &error));
                }
            }
        } else {
            self.problems
                .push(format!("{shown} is no setting of this version"));
        }
    }

    /// Sets a value where none was given.
    pub fn default_to(&mut self, name: &str, value: impl FnOnce() -> String) {
        self.values
            .entry(name.to_owned())
            .or_insert_with(|| Zeroizing::new(value()));
    }

    /// A value as given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// A value as given, or as it is by default.
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).or_else(|| match setting(name)?.absent {
            Absent::Default(value) => Some(value),
            Absent::Refused | Absent::Means(_) => None,
        })
    }

    /// Where `dev` keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        PathBuf::from(self.value("TOKENHOUSE_DATA_DIR").unwrap_or_default())
    }

    /// The log filter and format. A bad one is a problem like others: the log begins without it, so that
    /// all problems can be told of at once.
    pub fn log(&mut self, default: LogFormat) -> (String, LogFormat) {
        let format = match self.get("TOKENHOUSE_LOG_FORMAT") {
            Some("json") => LogFormat::Json,
            Some("pretty") => LogFormat::Pretty,
            _ => default,
        };
        let filter = self.optional("TOKENHOUSE_LOG", check_log_filter);
        (filter.unwrap_or_else(|| "info".to_owned()), format)
    }

    /// Where traces go, if anywhere. Nowhere when a setting of theirs is a problem.
    pub fn traces(&mut self) -> Option<TraceSettings> {
        let endpoint = self.optional("TOKENHOUSE_OTLP_ENDPOINT", check_collector);
        let ratio = self.optional("TOKENHOUSE_OTLP_SAMPLE_RATIO", check_ratio);
        let (endpoint, ratio) = (endpoint?, ratio?);
        Some(TraceSettings { endpoint, ratio })
    }

    /// The database alone, for commands that need nothing else.
    pub fn database_url(mut self) -> Result<Zeroizing<String>, SettingsError> {
        let url = self.required("TOKENHOUSE_DATABASE_URL", check_database_url);
        url.filter(|_| self.problems.is_empty())
            .ok_or(SettingsError(self.problems))
    }

    /// Checks everything.
    pub fn check(mut self) -> Result<Settings, SettingsError> {
        let public_url = self.required("TOKENHOUSE_PUBLIC_URL", check_public_url);
        let database_url = self.required("TOKENHOUSE_DATABASE_URL", check_database_url);
        let master_keys = self.required("TOKENHOUSE_MASTER_KEY", |text| {
            MasterKeys::parse(text)
                .map_err(|error| format!("{error}; print a fresh one with `tokenhouse keygen`"))
        });
        let operator_tokens = self.required("TOKENHOUSE_OPERATOR_TOKEN", check_operator_tokens);
        let listen = self.required("TOKENHOUSE_LISTEN", check_address);
        let management_listen = self.required("TOKENHOUSE_MANAGEMENT_LISTEN", check_address);
        let redis = self.redis();
        let outbound_allowed_networks = self
            .optional("TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS", check_networks)
            .unwrap_or_default();
        let dns_servers = self
            .optional("TOKENHOUSE_DNS_SERVERS", check_dns_servers)
            .unwrap_or_default();
        let trusted_proxies = self
            .optional("TOKENHOUSE_TRUSTED_PROXIES", check_networks)
            .unwrap_or_default();
        if let Some(format) = self.get("TOKENHOUSE_LOG_FORMAT")
            && !["pretty", "json"].contains(&format)
        {
            let problem = "TOKENHOUSE_LOG_FORMAT must be pretty or json";
            self.problems.push(problem.to_owned());
        }
        let mail = self.optional("TOKENHOUSE_SMTP_URL", check_mail_server);
        if mail.is_some() {
            tracing::warn!(
                setting = "TOKENHOUSE_SMTP_URL",
                "this setting has no effect in this version yet"
            );
        }
        match (
            public_url,
            database_url,
            master_keys,
            operator_tokens,
            listen,
            management_listen,
        ) {
            (
                Some(public_url),
                Some(database_url),
                Some(master_keys),
                Some(operator_tokens),
                Some(listen),
                Some(management_listen),
            ) if self.problems.is_empty() => Ok(Settings {
                public_url,
                listen,
                management_listen,
                database_url,
                redis,
                master_keys,
                operator_tokens,
                outbound_allowed_networks,
                dns_servers,
                trusted_proxies,
            }),
            _ => Err(SettingsError(self.problems)),
        }
    }

    fn redis(&mut self) -> Option<RedisAddress> {
        let authority = self.get("TOKENHOUSE_REDIS_CA").map(str::to_owned);
        let url = self.get("TOKENHOUSE_REDIS_URL").map(str::to_owned);
        let Some(url) = url else {
            if authority.is_some() && !self.unread.contains("TOKENHOUSE_REDIS_URL") {
                let lonely = "TOKENHOUSE_REDIS_CA has no effect without TOKENHOUSE_REDIS_URL";
                self.problems.push(lonely.to_owned());
            }
            return None;
        };
        let readable = self.optional("TOKENHOUSE_REDIS_CA", |pem| {
            check_authorities(pem.as_bytes()).map_err(|why| format!("can't be used: {why}"))
        });
        // One that can't be read has been told of; what else is wrong with the address is told too.
        let authority = authority.filter(|_| readable.is_some());
        match RedisAddress::parse(&url, authority.as_deref()) {
            Ok(address) => Some(address),
            Err(bad) => {
                self.problems.push(format!("TOKENHOUSE_REDIS_URL {bad}"));
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.value(name).is_none() && !self.unread.contains(name) {
            let about = setting(name).map_or("", |setting| setting.about);
            self.problems.push(format!("{name} is missing: {about}"));
        }
        self.optional(name, check)
    }

    fn optional<T>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match check(self.value(name)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(format!("{name} {problem}"));
                None
            }
        }
    }
}

/// Why the file of a setting can't be read. The value itself, put in by mistake, is not to be repeated.
fn unreadable(shown: &str, base: &str, value: &str, error: &io::Error) -> String {
    match value.contains("://") || value.contains('\n') {
        true => format!("{shown} must be the path of a file; a value goes into {base}"),
        false => format!("{shown}: {value} can't be read: {error}"),
    }
}

#[cfg(test)]
mod tests;
