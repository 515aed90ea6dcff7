//! The API documentation.

use crate::run::{Done, cargo, show};

pub(crate) fn run() -> Done {
    let mut doc = cargo([
        "doc",
        "--workspace",
        "--no-deps",
        "--all-features",
        "--document-private-items",
    ]);
    doc.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private_intra_doc_links",
    );
    show(doc)
}
