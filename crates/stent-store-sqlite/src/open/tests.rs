use super::*;

fn text(connection: &Connection, pragma: &str) -> String {
    connection
        .pragma_query_value(None, pragma, |row| {
            row.get_ref(0).map(|value| match value {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                value => value.as_str().unwrap_or_default().to_owned(),
            })
        })
        .unwrap_or_default()
}

#[test]
fn every_connection_has_the_settings_that_the_promises_rest_on() {
    let folder = tempfile::tempdir().unwrap();
    for (synchronous, code) in [(Synchronous::Full, "2"), (Synchronous::Normal, "1")] {
        let options = SqliteOptions::new(folder.path().join("stent.db")).synchronous(synchronous);
        let Opened {
            writer, readers, ..
        } = open(&options).unwrap();
        assert_eq!(text(&writer, "synchronous"), code);
        assert_eq!(text(&writer, "wal_autocheckpoint"), "4000");
        assert_eq!(
            text(&writer, "journal_size_limit"),
            WAL_KEPT_BYTES.to_string()
        );
        assert_eq!(readers.len(), 2);
        for reader in &readers {
            assert_eq!(text(reader, "query_only"), "1");
            assert!(reader.is_readonly(MAIN_DB).unwrap());
        }
        for connection in readers.iter().chain([&writer]) {
            assert_eq!(text(connection, "journal_mode"), "wal");
            assert_eq!(text(connection, "foreign_keys"), "0");
            assert_eq!(text(connection, "trusted_schema"), "0");
            assert_eq!(text(connection, "temp_store"), "2");
            assert_eq!(text(connection, "busy_timeout"), "10000");
            // No answer: nothing is mapped.
            assert!(["", "0"].contains(&text(connection, "mmap_size").as_str()));
        }
    }
}

#[test]
fn a_path_is_written_as_a_uri_that_means_nothing_else() {
    assert_eq!(
        immutable_uri(Path::new("/a b/ü?mode=rw#%.db")),
        "file:///a%20b/%C3%BC%3Fmode%3Drw%23%25.db?immutable=1"
    );
}

#[test]
fn the_library_that_is_linked_has_no_known_defect() {
    assert!(rusqlite::version_number() >= SQLITE_MIN_NUMBER);
}

#[test]
fn a_file_system_that_machines_share_is_refused_unless_someone_insists() {
    let folder = tempfile::tempdir().unwrap();
    let nfs = |_: &Path| Some("nfs".to_owned());
    let opening = |options| Opening {
        path: folder.path().join("stent.db"),
        options,
    };
    let options = SqliteOptions::new("stent.db");
    let error = opening(&options).create(&nfs).unwrap_err();
    let OpenError::SharedFileSystem { file_system, path } = error else {
        panic!("{error}");
    };
    assert_eq!(file_system, "nfs");
    assert!(!path.exists(), "nothing was made there");
    let insisting = options.clone().allow_shared_file_system(true);
    opening(&insisting).create(&nfs).unwrap();
    // One that is there is looked at itself: it may be a link to elsewhere.
    let elsewhere = |path: &Path| nfs(path).filter(|_| path.is_file());
    assert!(opening(&options).create(&elsewhere).is_err());
    assert!(opening(&options).create(&|_| None).is_ok());
}
