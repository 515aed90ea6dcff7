//! Encrypted connections: each mode checks what it says, and none becomes less.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use stent_store_postgres::OpenError;
use stent_test_postgres::{Cluster, Options};

use crate::support::{cluster, options, refusal};
use stent_conformance::requests::dispatch;

/// A server that takes encrypted connections only, with a certificate for `localhost` by an authority of its own.
struct Encrypted {
    server: Cluster,
}

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new(stent_test_postgres::program("openssl").unwrap())
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is needed; it comes with PostgreSQL's Debian package");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Makes an authority, and a key with a certificate that it signed, for a name.
fn certificate(folder: &Path, file: &str, name: &str, extension: &str) {
    openssl(
        folder,
        &format!("req -newkey rsa:2048 -nodes -keyout {file}.key -out {file}.csr -subj /CN={name}"),
    );
    fs::write(folder.join("extension"), extension).unwrap();
    openssl(
        folder,
        &format!(
            "x509 -req -in {file}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {file}.crt"
        ),
    );
}

impl Encrypted {
    fn start() -> Self {
        let server = cluster(&Options::new());
        let folder = server.folder().to_owned();
        openssl(
            &folder,
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority",
        );
        openssl(
            &folder,
            "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 2 -subj /CN=other",
        );
        certificate(
            &folder,
            "server",
            "localhost",
            "subjectAltName=DNS:localhost",
        );
        certificate(&folder, "client", "postgres", "subjectAltName=DNS:client");
        let data = folder.join("data");
        let owner = fs::metadata(&data).unwrap();
        for name in ["server.key", "server.crt", "ca.crt"] {
            use std::os::unix::fs::MetadataExt as _;
            let to = data.join(name);
            fs::copy(folder.join(name), &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        for set in ["ssl_ca_file = 'ca.crt'", "ssl = on"] {
            server
                .sql("postgres", &format!("ALTER SYSTEM SET {set}"))
                .unwrap();
        }
        Self { server }
    }

    /// Whom the server lets in.
    fn only(&self, rule: &str) {
        fs::write(
            self.server.folder().join("data/pg_hba.conf"),
            format!("{rule}\n"),
        )
        .unwrap();
        let folder = self.server.folder();
        let mut reload = self.server.programs().command("pg_ctl", folder);
        reload.args(["reload", "--pgdata=data", "--silent"]);
        assert!(reload.status().unwrap().success());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.server.folder().join(name)
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let url = self.server.url("postgres").replace("127.0.0.1", host);
        format!("{url}?{parameters}")
    }
}

#[tokio::test]
async fn each_mode_checks_what_it_says() {
    let encrypted = Encrypted::start();
    encrypted.only("hostssl all all 127.0.0.1/32 trust");
    // Its settings are read after its certificates are there.
    encrypted
        .server
        .restart(stent_test_postgres::Stop::Fast)
        .unwrap();
    let (ours, other) = (encrypted.file("ca.crt"), encrypted.file("other.crt"));
    let (ours, other) = (ours.display(), other.display());
    for (host, parameters) in [
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ours}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}")),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={ours}"),
        ),
    ] {
        let store = options(&encrypted.url(host, &parameters)).open().await;
        let store = store.unwrap_or_else(|error| panic!("{parameters}: {error:?}"));
        dispatch(&store, "1").await.unwrap();
    }
    for (host, parameters) in [
        ("127.0.0.1", "sslmode=disable".to_owned()),
        // The name differs.
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={ours}"),
        ),
        // Nobody whom the machine trusts vouches for it.
        ("localhost", "sslmode=verify-full".to_owned()),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={other}"),
        ),
        ("localhost", format!("sslmode=require&sslrootcert={other}")),
    ] {
        let opened = options(&encrypted.url(host, &parameters)).open().await;
        assert!(opened.is_err(), "{parameters}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let encrypted = Encrypted::start();
    encrypted.only("hostssl all all 127.0.0.1/32 cert");
    encrypted
        .server
        .restart(stent_test_postgres::Stop::Fast)
        .unwrap();
    let (certificate, key) = (encrypted.file("client.crt"), encrypted.file("client.key"));
    let shown = format!(
        "sslmode=require&sslcert={}&sslkey={}",
        certificate.display(),
        key.display()
    );
    options(&encrypted.url("127.0.0.1", &shown))
        .open()
        .await
        .unwrap();
    let refused = refusal(options(&encrypted.url("127.0.0.1", "sslmode=require"))).await;
    assert!(
        matches!(refused, OpenError::Authentication { .. }),
        "{refused:?}"
    );
    let missing = format!(
        "sslmode=require&sslcert={0}&sslkey={0}.none",
        certificate.display()
    );
    let refused = refusal(options(&encrypted.url("127.0.0.1", &missing))).await;
    assert!(
        matches!(refused, OpenError::TlsFile { key: "sslkey", .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    let server = cluster(&Options::new());
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}", server.url("postgres"));
        let opened = options(&url).open().await;
        assert!(opened.is_err(), "{mode}");
    }
    let url = format!("{}?sslmode=prefer", server.url("postgres"));
    assert!(options(&url).open().await.is_ok());
}
