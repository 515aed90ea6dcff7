use super::*;

fn refusal(url: &str) -> String {
    let refused = PostgresOptions::from_url(url).expect_err("it is to be refused");
    format!("{refused} {refused:?}")
}

#[test]
fn a_url_is_read_as_libpq_reads_it() {
    let options = PostgresOptions::from_url(
        "postgresql://w%40rd:p%40ss%3F@[::1]:6543,db2/orders?application_name=shop&schema=a%20b&pool_size=9&statement_timeout=5s",
    )
    .unwrap();
    assert_eq!(options.config.get_user(), Some("w@rd"));
    assert_eq!(options.config.get_password(), Some(&b"p@ss?"[..]));
    assert_eq!(options.config.get_dbname(), Some("orders"));
    assert_eq!(options.config.get_application_name(), Some("shop"));
    assert_eq!(&*options.schema, "a b");
    assert_eq!(options.pool_size.get(), 9);
    assert_eq!(options.statement_timeout, Duration::from_secs(5));
    assert_eq!(options.server().0, "::1:6543,db2:5432");
}

#[test]
fn pairs_are_read_as_libpq_reads_them() {
    let options = PostgresOptions::from_url(
        r"host = '/var/run' user=it password='it\'s \\ it' sslmode=require",
    )
    .unwrap();
    assert_eq!(options.config.get_password(), Some(&br"it's \ it"[..]));
    assert_eq!(options.ssl_mode, SslMode::Require);
}

#[test]
fn no_message_repeats_a_password() {
    for url in [
        "postgres://it:se?cret@host/db",
        "postgres://it:se/cret@host/db",
        "postgres://it:se%zzcret@host/db",
        "postgres://it:secret@host:port/db",
        "postgres://it:secret@host/db?cret=1",
        "postgres://it:4711/secret@host/db",
        "postgres://it:pass@secret/word@host/db",
        "postgres://it:pass@word?secret=1@host/db",
        "postgres://it:secret@host/db?sslmode=cret",
        "host=h password='secret",
        "mysql://it:secret@host/db",
        "secret",
    ] {
        let text = match PostgresOptions::from_url(url) {
            Ok(options) => format!("{} {options:?}", options.server().0),
            Err(refused) => format!("{refused} {refused:?}"),
        };
        assert!(!text.contains("secret"), "{text}");
        assert!(!text.contains("cret@"), "{text}");
    }
    // A whole number before a `/` would be a port.
    for url in [
        "postgres://it:4711/x@host/db",
        "postgres://it:1@4711/x@host/db",
    ] {
        assert!(!refusal(url).contains("4711"));
    }
    let options = PostgresOptions::from_url("postgres://it:secret@host/db").unwrap();
    assert!(!format!("{options:?}").contains("secret"));
}

#[test]
fn a_mode_of_encryption_that_is_none_is_refused() {
    assert!(refusal("postgres://h/d?sslmode=verify_full").contains("verify-full"));
    assert!(refusal("postgres://h/d?sslmode=").contains("sslmode"));
}

#[test]
fn a_parameter_that_is_none_is_refused() {
    assert!(refusal("postgres://h/d?pool_sise=4").contains("`pool_sise`"));
    assert!(refusal("postgres://h/d?pool_size=0").contains("`pool_size`"));
    assert!(refusal("postgres://h/d?statement_timeout=soon").contains("`statement_timeout`"));
}

#[test]
fn where_to_listen_is_said_once() {
    let listen_at = |url: &str| PostgresOptions::from_url(url).map(|options| options.listen_at);
    let once = listen_at("host=h listen_url='host=other'").unwrap();
    assert_eq!(once.unwrap().server().0, "other:5432");
    // Read within itself as deep as it says, it would exhaust the stack.
    let deep = "listen_url=".repeat(100_000);
    assert!(refusal(&deep).contains("`listen_url`"));
}

#[test]
fn a_schema_that_is_not_ours_to_take_is_refused() {
    let long = "x".repeat(64);
    for name in [
        "",
        "public",
        "pg_mine",
        "information_schema",
        &long,
        "a\u{7}",
        "a$body$b",
    ] {
        let url = PostgresOptions::from_url("postgres://h/d").unwrap();
        assert!(url.schema(name).is_err(), "{name}");
    }
}
