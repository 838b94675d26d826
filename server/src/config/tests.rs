use super::*;

fn problems(environment: &[(&str, &str)]) -> Vec<String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    RawSettings::read(None, environment)
        .check()
        .err()
        .map_or_else(Vec::new, |error| error.0)
}

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const TOKEN: &str = "tho_0123456789012345678901234567890123456789012";

#[test]
fn every_missing_setting_has_its_own_line() {
    let problems = problems(&[]);
    for name in ["PUBLIC_URL", "DATABASE_URL", "MASTER_KEY", "OPERATOR_TOKEN"] {
        assert_eq!(
            problems.iter().filter(|line| line.contains(name)).count(),
            1,
            "{name}: {problems:?}"
        );
    }
}

#[test]
fn bad_settings_are_named_and_secrets_not_repeated() {
    let problems = problems(&[
        ("TOKENHOUSE_PUBLIC_URL", "http://id.example.com"),
        ("TOKENHOUSE_DATABASE_URL", "mysql://root:hunter2@db/x"),
        ("TOKENHOUSE_MASTER_KEY", "k1:short"),
        ("TOKENHOUSE_OPERATOR_TOKEN", "hunter2"),
        ("TOKENHOUSE_LISTEN", "8080"),
        (
            "TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS",
            "10.0.0.0/8, 10.0.0.1",
        ),
        ("TOKENHOUSE_DNS_SERVERS", "10.0.0.2, dns.example"),
        ("TOKENHOUSE_PUBLIC_URI", "x"),
    ]);
    assert_eq!(problems.len(), 8, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|line| !line.contains("hunter2") && !line.contains("short")),
        "{problems:?}"
    );
}

/// Though the log has to begin before all settings are checked.
#[test]
fn what_is_wrong_with_logs_and_traces_is_told_with_the_rest() {
    let environment = [
        ("TOKENHOUSE_LOG", "inof"),
        ("TOKENHOUSE_OTLP_ENDPOINT", "collector:4318"),
        ("TOKENHOUSE_OTLP_SAMPLE_RATIO", "10%"),
        ("TOKENHOUSE_SMTP_URL", "mail.example.com"),
        ("TOKENHOUSE_LISTEN", "8080"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut raw = RawSettings::read(None, environment.into_iter());
    assert_eq!(
        raw.log(LogFormat::Json),
        ("info".to_owned(), LogFormat::Json)
    );
    assert_eq!(raw.traces(), None);
    let problems = raw.check().expect_err("nothing of it is right").0;
    for name in [
        "LOG ",
        "OTLP_ENDPOINT ",
        "OTLP_SAMPLE_RATIO ",
        "SMTP_URL ",
        "LISTEN ",
    ] {
        let of_it = |line: &&String| line.starts_with(&format!("TOKENHOUSE_{name}"));
        assert_eq!(
            problems.iter().filter(of_it).count(),
            1,
            "{name}: {problems:?}"
        );
    }
}

#[test]
fn what_was_given_is_not_called_missing() {
    let problems = problems(&[
        ("TOKENHOUSE_MASTER_KEY_FILE", "/no/such/file"),
        ("TOKENHOUSE_OPERATOR_TOKEN", TOKEN),
        ("TOKENHOUSE_OPERATOR_TOKEN_FILE", "/no/such/token"),
        ("TOKENHOUSE_REDIS_URL", "redis-cluster://a,"),
        ("TOKENHOUSE_REDIS_CA", "no certificate"),
    ]);
    let of = |part: &str| problems.iter().filter(|line| line.contains(part)).count();
    assert_eq!(of("MASTER_KEY"), 1, "{problems:?}");
    assert_eq!(
        of("OPERATOR_TOKEN and TOKENHOUSE_OPERATOR_TOKEN_FILE are both set"),
        1
    );
    assert_eq!(
        of("TOKENHOUSE_REDIS_URL must have a host"),
        1,
        "{problems:?}"
    );
    assert_eq!(
        of("TOKENHOUSE_REDIS_CA can't be used: there is no certificate"),
        1,
        "{problems:?}"
    );
}

#[test]
fn log_filters_are_levels_or_name_modules() {
    for good in [
        "info",
        "OFF",
        "tokenhouse=debug,info",
        "tokenhouse_server::http=trace",
        "warn,",
    ] {
        assert!(check_log_filter(good).is_ok(), "{good}");
    }
    for bad in ["inof", "tokenhouse", "info,debg", "tokenhouse=loud"] {
        assert!(check_log_filter(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_value_in_the_place_of_a_path_is_not_repeated() {
    let problems = problems(&[(
        "TOKENHOUSE_DATABASE_URL_FILE",
        "postgres://root:hunter2@db/x",
    )]);
    let about_it = problems.iter().find(|line| line.contains("_FILE"));
    let about_it = about_it.expect("it is refused");
    assert!(!about_it.contains("hunter2"), "{about_it}");
}

#[test]
fn good_settings_are_taken() {
    let problems = problems(&[
        ("TOKENHOUSE_PUBLIC_URL", "https://id.example.com"),
        ("TOKENHOUSE_DATABASE_URL", "postgres://db/tokenhouse"),
        ("TOKENHOUSE_MASTER_KEY", KEY),
        ("TOKENHOUSE_OPERATOR_TOKEN", TOKEN),
        ("TOKENHOUSE_DNS_SERVERS", "10.0.0.2, [::1]:5353"),
        ("UNRELATED", "x"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
}
