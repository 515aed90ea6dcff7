//! What must not happen, whatever bytes come: a panic, a wrong answer, memory without bound.
//!
//! Each target is a function of bytes that fails by a panic. libFuzzer drives it (`cargo xtask fuzz`, programs in `fuzz_targets/`, made for
//! [cargo-fuzz](https://rust-fuzz.github.io/book/cargo-fuzz.html)), and every run of the tests gives it what is kept in `corpus/`. A program that is
//! built without libFuzzer, `cargo run -p stent-fuzz --features targets --bin payloads -- FILE`, gives it the files that it is told.
//!
//! | target | what it reads |
//! |---|---|
//! | `durations` | spans of time as people write them, in calls, in attributes and in options |
//! | `names` | names, tags, keys and ids |
//! | `payloads` | JSON documents |
//! | `operations`, `outcomes`, `histories` | what stores keep of what tasks did |
//! | `hints` | what processes say to each other by `NOTIFY` |
//! | `postgres_url` | connection strings; it also looks whether a password is shown |
//! | `macro_input` | what stands in `#[durable(..)]`, below it, and in `functions![..]` |
//!
//! Rows of a database and the options of `stent.dispatch` in SQL are tried with random values by the tests of their stores.

// The macros' crate can be linked by a compiler alone, so its code is compiled here too.
#[path = "../../stent-macros/src/expand.rs"]
mod expand;
#[path = "../../stent-macros/src/model.rs"]
mod model;
#[path = "../../stent-macros/src/parse.rs"]
mod parse;
#[path = "../../stent-macros/src/tokens.rs"]
mod tokens;
#[path = "../../stent-macros/src/validate/mod.rs"]
mod validate;

mod macros;
mod stored;
mod texts;

pub use crate::{
    macros::macro_input,
    stored::{hints, histories, operations, outcomes},
    texts::{durations, names, payloads, postgres_url},
};

/// A function of bytes that panics where something is wrong.
pub type Target = fn(&[u8]);

/// All targets, by the names of their programs and of the folders of their corpora.
pub const TARGETS: [(&str, Target); 9] = [
    ("durations", durations),
    ("hints", hints),
    ("histories", histories),
    ("macro_input", macro_input),
    ("names", names),
    ("operations", operations),
    ("outcomes", outcomes),
    ("payloads", payloads),
    ("postgres_url", postgres_url),
];

/// The program of a target: driven by libFuzzer where that is asked for, and else by files.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $crate::$target(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::TARGETS;

    #[test]
    fn nothing_that_was_ever_found_is_wrong_again() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (name, target) in TARGETS {
            let corpus = fs::read_dir(corpora.join(name)).unwrap();
            let files: Vec<_> = corpus.map(|file| file.unwrap().path()).collect();
            assert!(!files.is_empty(), "{name} has a corpus");
            for file in files {
                println!("{}", file.display());
                target(&fs::read(&file).unwrap());
            }
        }
    }

    #[test]
    fn each_target_has_a_program_and_each_program_a_target() {
        let manifest = include_str!("../Cargo.toml");
        let programs = manifest.matches("[[bin]]").count();
        assert_eq!(programs, TARGETS.len());
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"")));
        }
    }
}
