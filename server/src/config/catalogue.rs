//! Every setting there is: what the help, the page for operators and the checks say of it.

use std::fmt;

/// A setting. Its key in TOML is the name in lower case without the prefix.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    pub absent: Absent,
    pub example: &'static str,
}

/// What `serve` does without a setting.
#[derive(Debug)]
pub enum Absent {
    /// It doesn't start.
    Refused,
    /// It takes this value.
    Default(&'static str),
    /// It does this.
    Means(&'static str),
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("required"),
            Self::Default(value) => write!(f, "default: {value}"),
            Self::Means(what) => write!(f, "unset: {what}"),
        }
    }
}

/// In the order of the page.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "TOKENHOUSE_PUBLIC_URL",
        about: "base of every issuer; https, or http for a loopback host",
        absent: Absent::Refused,
        example: "https://id.example.com",
    },
    Setting {
        name: "TOKENHOUSE_LISTEN",
        about: "address of the public listener",
        absent: Absent::Default("127.0.0.1:8080"),
        example: "0.0.0.0:8080",
    },
    Setting {
        name: "TOKENHOUSE_MANAGEMENT_LISTEN",
        about: "address of /livez, /readyz and /metrics, for nobody outside",
        absent: Absent::Default("127.0.0.1:9090"),
        example: "0.0.0.0:9090",
    },
    Setting {
        name: "TOKENHOUSE_DATA_DIR",
        about: "where `dev` keeps its data; `serve` has none",
        absent: Absent::Default("./data"),
        example: "/var/lib/tokenhouse",
    },
    Setting {
        name: "TOKENHOUSE_DATABASE_URL",
        about: "sqlite:// or postgres:// address of the database; sslmode=verify-full, with sslrootcert=FILE for an authority of your own, for TLS",
        absent: Absent::Refused,
        example: "postgres://tokenhouse:password@db.example.com/tokenhouse?sslmode=verify-full",
    },
    Setting {
        name: "TOKENHOUSE_REDIS_URL",
        about: "redis:// or rediss:// address of the hot state, or redis-sentinel://[user:password@]host:26379,host:26379/name, or redis-cluster://[user:password@]host:6379,host:6379 (rediss-sentinel://, rediss-cluster:// with TLS)",
        absent: Absent::Means("the hot state lives in the database"),
        example: "rediss://tokenhouse:password@redis.example.com:6379",
    },
    Setting {
        name: "TOKENHOUSE_REDIS_CA",
        about: "certificates in PEM of the authorities that alone may vouch for Redis",
        absent: Absent::Means("public ones may"),
        example: "-----BEGIN CERTIFICATE-----…",
    },
    Setting {
        name: "TOKENHOUSE_MASTER_KEY",
        about: "lines id:base64url(32 bytes), as `tokenhouse keygen` prints; the first seals, all open",
        absent: Absent::Refused,
        example: "mk-1:…",
    },
    Setting {
        name: "TOKENHOUSE_OPERATOR_TOKEN",
        about: "bearer tokens of the operator, one a line, at least 32 characters each",
        absent: Absent::Refused,
        example: "tho_…",
    },
    Setting {
        name: "TOKENHOUSE_TRUSTED_PROXIES",
        about: "CIDRs whose X-Forwarded-For is believed",
        absent: Absent::Means("nobody's; the audit log has the address of the connection"),
        example: "10.0.0.0/8, fd00::/8",
    },
    Setting {
        name: "TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS",
        about: "CIDRs that clients' URLs may lead to although they are not public; http is allowed there",
        absent: Absent::Means("public addresses by https alone"),
        example: "10.20.0.0/16",
    },
    Setting {
        name: "TOKENHOUSE_DNS_SERVERS",
        about: "name servers for custom domains and clients' hosts, with a port or without",
        absent: Absent::Means("the system's"),
        example: "10.0.0.2, 10.0.0.3:5353",
    },
    Setting {
        name: "TOKENHOUSE_LOG",
        about: "log filter: a level, or levels by module",
        absent: Absent::Default("info"),
        example: "tokenhouse=debug,info",
    },
    Setting {
        name: "TOKENHOUSE_LOG_FORMAT",
        about: "pretty or json, on standard error",
        absent: Absent::Means("json for `serve`, pretty for other commands"),
        example: "json",
    },
    Setting {
        name: "TOKENHOUSE_OTLP_ENDPOINT",
        about: "http:// or https:// address of an OpenTelemetry collector that takes OTLP over HTTP",
        absent: Absent::Means("no traces"),
        example: "http://collector.observability:4318",
    },
    Setting {
        name: "TOKENHOUSE_OTLP_SAMPLE_RATIO",
        about: "share of traces that are sent, from 0 to 1",
        absent: Absent::Default("0.1"),
        example: "1",
    },
    Setting {
        name: "TOKENHOUSE_SMTP_URL",
        about: "smtp:// address that mail is sent through; without effect in this version, which sends none",
        absent: Absent::Means("no mail"),
        example: "smtp://mail.example.com:587",
    },
];

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
