//! A migration that was released is never edited: its text has the digest that is listed here.

use std::fs;

use crate::run::{Done, Failed, root};

/// Released migrations with the digest of their text (64-bit FNV-1a). None has been released yet.
const RELEASED: &[(&str, u64)] = &[];

pub(crate) fn check() -> Done {
    for (name, digest) in RELEASED {
        let path = root().join(name);
        let text = fs::read(&path).map_err(|source| Failed::Read { path, source })?;
        let found = fnv1a(&text);
        if found != *digest {
            return Err(Failed::Found(format!(
                "`{name}` was released and has been edited since (digest {found:#018x}); take it back and add a new migration"
            )));
        }
    }
    println!(
        "{} released migrations are as they were released",
        RELEASED.len()
    );
    Ok(())
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>: it finds edits, not attacks.
fn fnv1a(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
