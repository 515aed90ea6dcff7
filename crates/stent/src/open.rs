//! From a URL to a store: the one place that knows which stores there are.
//!
//! **Invariant:** no message repeats more of a URL than its scheme, for the rest may hold a password.

use std::sync::Arc;

use stent_client::{Stent, Store};

/// Opens stores by URL; in the prelude.
pub trait OpenStent: sealed::Sealed + Sized {
    /// Opens the store at a URL.
    ///
    /// | URL | store | feature |
    /// |---|---|---|
    /// | `sqlite:orders.db`, `sqlite:///var/lib/orders.db` | a SQLite file, made if it is missing | `sqlite` (default) |
    /// | `sqlite:orders.db?synchronous=normal` | the same; a loss of power may take the newest commits, and each is some ten times faster | |
    /// | `postgres://user@host/db`, `postgresql://…` | a schema of a PostgreSQL database, made if it is missing; parameters as libpq reads them, and those of `PostgresOptions::from_url` | `postgres` |
    /// | `memory:` | a new store in this process, gone with it | `memory` |
    ///
    /// A path of a file is taken as it is, up to the first `?`. For further options, open the store yourself and use [`Stent::new`].
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the URL or with what it names.
    ///
    /// ```
    /// # async fn example() -> stent::Result<()> {
    /// use stent::prelude::*;
    ///
    /// let stent = Stent::open("sqlite:orders.db").await?;
    /// # drop(stent);
    /// # Ok(())
    /// # }
    /// ```
    fn open(url: impl AsRef<str> + Send) -> impl Future<Output = Result<Self, OpenError>> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for stent_client::Stent {}
}

impl OpenStent for Stent {
    async fn open(url: impl AsRef<str> + Send) -> Result<Self, OpenError> {
        let url = Url::parse(url.as_ref())?;
        open(url).await.map(Self::new)
    }
}

/// Why no store was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL has no scheme.
    #[error("the store's URL has no scheme; write `sqlite:orders.db`, say")]
    NoScheme,
    /// No store has this scheme.
    #[error(
        "`{scheme}:` is the scheme of no store; known are `sqlite:`, `postgres:` and `memory:`"
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// The store of this scheme is not part of this program.
    #[error(
        "this program was built without the store of `{scheme}:`; enable the feature `{feature}` of the crate `stent`"
    )]
    MissingFeature {
        /// The scheme.
        scheme: &'static str,
        /// The feature of this crate.
        feature: &'static str,
    },
    /// The URL names no file.
    #[error("`sqlite:` names no file; write `sqlite:orders.db`, say")]
    NoPath,
    /// SQLite would keep it in memory, where its promises don't hold.
    #[error(
        "SQLite in memory keeps nothing; name a file, or use `memory:` with the feature `memory` of the crate `stent` for a store that is gone with its process"
    )]
    SqliteInMemory,
    /// The URL has a parameter that its store does not know.
    #[error("`{scheme}:` has no parameter `{parameter}`; {known}")]
    UnknownParameter {
        /// The scheme.
        scheme: &'static str,
        /// The parameter, without its value.
        parameter: String,
        /// What it could be.
        known: &'static str,
    },
    /// The value of a parameter is not one that it may have.
    #[error("the value of `{parameter}` in the store's URL is not possible; it is {allowed}")]
    BadParameter {
        /// The parameter.
        parameter: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// The SQLite file was not opened.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] stent_store_sqlite::OpenError),
    /// The PostgreSQL database was not opened.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] stent_store_postgres::OpenError),
    /// The runtime ended while the store was being opened.
    #[error("the runtime ended while the store was being opened")]
    Aborted,
}

impl From<OpenError> for stent_client::Error {
    fn from(error: OpenError) -> Self {
        Self::other(error)
    }
}

/// A URL of a store, as far as it says something about it.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
enum Url {
    Sqlite {
        path: String,
        normal: bool,
    },
    /// As it is: its store reads it.
    Postgres(String),
    Memory,
}

impl Url {
    fn parse(url: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once(':').ok_or(OpenError::NoScheme)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme {
            return Err(OpenError::NoScheme);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Self::sqlite(rest),
            "postgres" | "postgresql" => Ok(Self::Postgres(url.to_owned())),
            "memory" => match rest {
                "" => Ok(Self::Memory),
                _ => Err(OpenError::UnknownParameter {
                    scheme: "memory",
                    parameter: "a path".to_owned(),
                    known: "write `memory:` alone",
                }),
            },
            _ => Err(OpenError::UnknownScheme {
                scheme: scheme.to_owned(),
            }),
        }
    }

    fn sqlite(rest: &str) -> Result<Self, OpenError> {
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path == ":memory:" {
            return Err(OpenError::SqliteInMemory);
        }
        if path.is_empty() {
            return Err(OpenError::NoPath);
        }
        let mut normal = false;
        for parameter in parameters
            .split('&')
            .filter(|parameter| !parameter.is_empty())
        {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name, value) {
                ("synchronous", "full") => normal = false,
                ("synchronous", "normal") => normal = true,
                ("synchronous", _) => {
                    return Err(OpenError::BadParameter {
                        parameter: "synchronous",
                        allowed: "`full` or `normal`",
                    });
                }
                ("mode", "memory") => return Err(OpenError::SqliteInMemory),
                _ => {
                    return Err(OpenError::UnknownParameter {
                        scheme: "sqlite",
                        parameter: name.to_owned(),
                        known: "known is `synchronous`",
                    });
                }
            }
        }
        Ok(Self::Sqlite {
            path: path.to_owned(),
            normal,
        })
    }
}

async fn open(url: Url) -> Result<Arc<dyn Store>, OpenError> {
    match url {
        Url::Sqlite { path, normal } => sqlite(path, normal).await,
        Url::Postgres(url) => postgres(&url).await,
        Url::Memory => memory(),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: String, normal: bool) -> Result<Arc<dyn Store>, OpenError> {
    use stent_store_sqlite::{SqliteOptions, Synchronous};

    let synchronous = if normal {
        Synchronous::Normal
    } else {
        Synchronous::Full
    };
    let options = SqliteOptions::new(path).synchronous(synchronous);
    // It waits for the disk, and for other programs' locks.
    let store = match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime
            .spawn_blocking(|| options.open())
            .await
            .map_err(|_| OpenError::Aborted)??,
        Err(_) => options.open()?,
    };
    Ok(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_path: String, _normal: bool) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::MissingFeature {
        scheme: "sqlite",
        feature: "sqlite",
    })
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(
        stent_store_postgres::PostgresStore::open(url).await?,
    ))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_url: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::MissingFeature {
        scheme: "postgres",
        feature: "postgres",
    })
}

#[cfg(feature = "memory")]
fn memory() -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(stent_store_memory::MemoryStore::new()))
}

#[cfg(not(feature = "memory"))]
fn memory() -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::MissingFeature {
        scheme: "memory",
        feature: "memory",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, normal: bool) -> Url {
        Url::Sqlite {
            path: path.to_owned(),
            normal,
        }
    }

    fn refused(url: &str) -> String {
        Url::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_sqlite_url_names_a_file() {
        for (url, path) in [
            ("sqlite:orders.db", "orders.db"),
            ("sqlite:/var/lib/orders.db", "/var/lib/orders.db"),
            ("sqlite:///var/lib/orders.db", "/var/lib/orders.db"),
            ("sqlite://orders.db", "orders.db"),
            ("SQLite:a b%20:c.db", "a b%20:c.db"),
        ] {
            assert_eq!(Url::parse(url).unwrap(), file(path, false), "{url}");
        }
        assert_eq!(
            Url::parse("sqlite:a.db?synchronous=normal").unwrap(),
            file("a.db", true)
        );
        assert_eq!(Url::parse("memory:").unwrap(), Url::Memory);
    }

    #[test]
    fn a_url_that_cannot_be_opened_is_refused_with_what_to_write() {
        for (url, part) in [
            ("", "has no scheme"),
            ("orders.db", "has no scheme"),
            ("/var/a:b", "has no scheme"),
            ("sqlite:", "names no file"),
            ("sqlite://", "names no file"),
            ("sqlite::memory:", "keeps nothing"),
            ("sqlite:a.db?mode=memory", "keeps nothing"),
            ("sqlite:a.db?sync=normal", "no parameter `sync`"),
            ("sqlite:a.db?synchronous=off", "it is `full` or `normal`"),
            ("memory:x", "write `memory:` alone"),
            ("mysql://localhost/x", "`mysql:` is the scheme of no store"),
        ] {
            assert!(refused(url).contains(part), "{url}: {}", refused(url));
        }
    }

    #[test]
    fn no_message_repeats_a_password() {
        for url in [
            "user:hunter2@host/db",
            "postgres//user:hunter2@host",
            "sqlite:a.db?synchronous=hunter2",
            "memory:hunter2",
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_sqlite_file_is_made_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let url = format!("sqlite:{}?synchronous=normal", path.display());
        for _ in 0..2 {
            let stent = Stent::open(&url).await.unwrap();
            assert!(stent.workers().await.unwrap().is_empty());
        }
        let url = format!("sqlite:{}", folder.path().join("none/orders.db").display());
        let error: stent_client::Error = Stent::open(url).await.unwrap_err().into();
        assert!(
            error.to_string().contains("its folder does not exist"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn no_message_about_a_postgres_url_repeats_its_password() {
        for url in [
            "postgres://user:hunter2@host.invalid/db",
            "postgresql://user:hunter2@host:port/db",
            "postgres://user:hunter2@host/db?nonsense=hunter2",
        ] {
            let error = Stent::open(url).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[cfg(not(feature = "memory"))]
    #[tokio::test]
    async fn a_store_that_is_not_built_in_names_its_feature() {
        let error = Stent::open("memory:").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "this program was built without the store of `memory:`; enable the feature `memory` of the crate `stent`"
        );
    }

    #[cfg(feature = "memory")]
    #[tokio::test]
    async fn each_store_in_memory_is_a_new_one() {
        let stent = Stent::open("memory:").await.unwrap();
        assert!(stent.functions().await.unwrap().is_empty());
    }
}
