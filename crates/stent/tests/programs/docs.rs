//! The figures of the reference are those of the code.

use std::time::Duration;

use stent::store::{SqliteOptions, defaults};
use stent_conformance::CASES;

const REFERENCE: &str = include_str!("../../../../docs/reference.md");

const STORES: &str = include_str!("../../../../docs/write-your-own-store.md");

/// The example that it quotes.
const QUOTED: [&str; 3] = [
    include_str!("../../examples/custom_store/commit.rs"),
    include_str!("../../examples/custom_store/effects.rs"),
    // How a store is used.
    "let stent = Stent::new(Arc::new(store));",
];

/// Its lines without what they are indented by.
fn trimmed(code: &str) -> String {
    code.lines().flat_map(|line| [line.trim(), "\n"]).collect()
}

#[test]
fn the_page_about_stores_quotes_the_example_as_it_is() {
    let quotes = STORES.split("```rust,ignore\n").skip(1);
    let quotes: Vec<_> = quotes.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(quotes.len(), QUOTED.len());
    for quote in quotes {
        let is_quoted = |source: &&str| trimmed(source).contains(&trimmed(quote));
        assert!(QUOTED.iter().any(is_quoted), "{quote}");
    }
}

#[test]
fn the_page_about_stores_names_cases_that_exist_and_all_their_modules() {
    let (_, mistakes) = STORES.split_once("## Common mistakes").unwrap();
    let mut named = mistakes.split('`').filter_map(|text| text.split_once("::"));
    let exists = |(module, name): (&str, &str)| {
        // A type has no cases; a module does.
        let mut cases = CASES.iter();
        module.starts_with(char::is_uppercase)
            || cases.any(|case| case.module == module && case.name == name)
    };
    assert_eq!(named.find(|case| !exists(*case)), None);
    for case in CASES {
        let command = format!("`cargo test {}::`", case.module);
        assert!(STORES.contains(&command), "{command}");
    }
}

/// The rows of a section's last table, each as its cells.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("# {section}\n");
    let (_, rest) = REFERENCE
        .split_once(&heading)
        .unwrap_or_else(|| panic!("the reference has no section `{section}`"));
    let end = rest.find("\n#").unwrap_or(rest.len());
    rest[..end]
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What the reference says of an option, in the column of defaults.
fn stated(section: &str, option: &str) -> String {
    rows(section)
        .iter()
        .find(|row| {
            let name = row[0].trim_matches('`').trim_start_matches('.');
            name.strip_prefix(option)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['(', ' ']))
        })
        .map(|row| row[2].trim_matches('`').to_owned())
        .unwrap_or_else(|| panic!("`{section}` says nothing of `{option}`"))
}

fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

fn bytes(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

#[track_caller]
fn compare(section: &str, figures: &[(&str, String)]) {
    for (option, figure) in figures {
        assert_eq!(
            stated(section, option),
            *figure,
            "`{option}` in `{section}`"
        );
    }
}

#[test]
fn the_reference_states_the_defaults_of_the_worker() {
    compare(
        "Worker",
        &[
            ("lease_duration", span(defaults::LEASE_DURATION)),
            ("cleanup_interval", span(defaults::CLEANUP_INTERVAL)),
            ("retention_period", span(defaults::RETENTION_PERIOD)),
            ("concurrency", defaults::CONCURRENCY.to_string()),
            ("prefetch", defaults::PREFETCH_MAX.to_string()),
            ("parked", defaults::PARKED_MAX.to_string()),
            ("poll_interval", span(defaults::POLL_INTERVAL)),
            ("suspend_after", span(defaults::SUSPEND_AFTER)),
            ("drain_grace", span(defaults::DRAIN_GRACE)),
            ("crash_limit", defaults::CRASH_LIMIT.to_string()),
            ("payload_limit", bytes(defaults::PAYLOAD_MAX_BYTES)),
        ],
    );
}

#[test]
fn the_reference_states_the_defaults_of_functions_retries_and_clients() {
    compare("`#[durable(..)]`", &[("queue", defaults::QUEUE.to_owned())]);
    compare(
        "`retry(..)`",
        &[
            ("max_attempts", defaults::RETRY_MAX_ATTEMPTS.to_string()),
            ("initial_delay", span(defaults::RETRY_INITIAL_DELAY)),
            ("backoff", defaults::RETRY_BACKOFF.to_string()),
            ("max_delay", span(defaults::RETRY_MAX_DELAY)),
            ("jitter", defaults::RETRY_JITTER.to_string()),
        ],
    );
    compare(
        "`Stent`",
        &[
            ("payload_limit", bytes(defaults::PAYLOAD_MAX_BYTES)),
            ("patience", span(defaults::CLIENT_PATIENCE)),
            ("poll_interval", span(defaults::POLL_INTERVAL)),
        ],
    );
}

#[test]
fn the_reference_states_the_defaults_of_sqlite() {
    let options = format!("{:?}", SqliteOptions::new("orders.db"));
    for option in ["synchronous", "busy_timeout", "readers", "create"] {
        let stated = stated("SQLite", option);
        assert!(
            options.contains(&format!("{option}: {stated},")),
            "`{option}` is not `{stated}` in {options}"
        );
    }
    assert_eq!(stated("SQLite", "max_bytes"), "none");
    assert!(options.contains("max_bytes: None"), "{options}");
}

#[test]
fn the_reference_states_the_bounds() {
    let bounds: Vec<_> = rows("Bounds")
        .iter()
        .flat_map(|row| row[1].split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    let figures = [
        defaults::NAME_MAX_BYTES.to_string(),
        defaults::TAGS_MAX.to_string(),
        defaults::OPERATIONS_MAX.to_string(),
        bytes(defaults::ERROR_MAX_BYTES),
        defaults::SUSPECT_AFTER_CRASHES.to_string(),
        defaults::BATCH_MAX.to_string(),
        bytes(defaults::BATCH_MAX_BYTES),
        defaults::BATCH_MAX.to_string(),
        bytes(defaults::COMMIT_BATCH_BYTES),
        defaults::COMMIT_BATCH.to_string(),
        bytes(defaults::COMMIT_BATCH_BYTES),
        defaults::CLEANUP_BATCH.to_string(),
        defaults::CLEANUP_ROWS.to_string(),
        defaults::PAGE_SIZE.to_string(),
        defaults::PAGE_SIZE_MAX.to_string(),
    ];
    assert_eq!(bounds, figures);
}
