//! What `strace -f -y -xx` wrote down, read as a list of what was done to one folder.
//!
//! **Invariant:** a call that may have changed the folder is understood, or the whole trace is refused: what is passed over in silence would make
//! every verdict worthless. Whether the list is whole shows too: followed to its end, it gives the files that are really there.

use std::{collections::HashMap, path::Path};

/// The calls to trace: all that change files. Those marked with `?` are not known to every machine.
pub const CALLS: &str = "?open,openat,?openat2,?creat,write,pwrite64,writev,pwritev,pwritev2,\
    fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,?unlink,unlinkat,?rename,renameat,renameat2,?link,linkat,?symlink,symlinkat,\
    mmap,copy_file_range,sendfile,splice,io_uring_setup";

/// What a process did, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the trace at which it began.
    pub began: usize,
    /// The line at which it was done; `None` if its process was killed meanwhile.
    pub ended: Option<usize>,
    /// What it was.
    pub action: Action,
}

/// What was done to the folder, or said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A file was made, if there was none of this name.
    Create(String),
    /// Bytes were written to a file.
    Write {
        /// The file's name.
        file: String,
        /// Where they begin.
        offset: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut, or made longer by zeros.
    Resize {
        /// The file's name.
        file: String,
        /// Its new size in bytes.
        size: usize,
    },
    /// A file was deleted.
    Remove(String),
    /// A file was synced.
    Sync(String),
    /// The folder was synced: which files it has, not what is in them.
    SyncFolder,
    /// Something was written down for the judge.
    Say(Vec<u8>),
}

/// A trace that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the trace cannot be followed, because {why}: `{text}`")]
pub struct Untraceable {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
    /// Its beginning.
    pub text: String,
}

/// Reads a trace: what was done to the files of a folder, which had none before, and what was written to the file of what was said.
///
/// # Errors
/// When a line is not understood, or tells of a change that is not followed.
pub fn read(trace: &str, folder: &Path, said: &Path) -> Result<Vec<Step>, Untraceable> {
    let mut reader = Reader {
        folder: folder.display().to_string(),
        said: said.display().to_string(),
        unfinished: HashMap::new(),
        steps: Vec::new(),
    };
    for (number, line) in trace.lines().enumerate() {
        reader.line(number, line).map_err(|why| Untraceable {
            line: number + 1,
            why,
            text: line.chars().take(200).collect(),
        })?;
    }
    reader.steps.sort_by_key(|step| step.began);
    Ok(reader.steps)
}

/// Why a line is refused.
type Why = &'static str;

/// What stands behind the path of a file that was deleted.
const DELETED: &str = "(deleted)";

struct Reader {
    folder: String,
    said: String,
    /// Calls that have begun, by thread: at which line, and what stands there.
    unfinished: HashMap<u32, (usize, String)>,
    steps: Vec<Step>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Why> {
        let (thread, rest) = line.split_once(' ').ok_or("it is no line of a trace")?;
        let thread = thread.parse().map_err(|_| "it names no thread")?;
        let rest = rest.trim_start();
        if rest.starts_with("+++ ") {
            return match self.unfinished.remove(&thread) {
                Some((began, text)) => self.call(began, None, &text),
                None => Ok(()),
            };
        }
        if rest.starts_with("--- ") {
            return Ok(());
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            let text = begun.trim_end().to_owned();
            self.unfinished.insert(thread, (number, text));
            return Ok(());
        }
        let Some(resumed) = rest.strip_prefix("<... ") else {
            return self.call(number, Some(number), rest);
        };
        let (_, end) = resumed
            .split_once(" resumed>")
            .ok_or("it goes on with nothing")?;
        let begun = self.unfinished.remove(&thread);
        let (began, text) = begun.ok_or("it goes on with what never began")?;
        self.call(began, Some(number), &(text + end))
    }

    /// One call. `ended` is `None` if it did not return.
    fn call(&mut self, began: usize, ended: Option<usize>, text: &str) -> Result<(), Why> {
        let call = Call::parse(text)?;
        let ended = ended.filter(|_| call.result != Some("?"));
        if ended.is_some() && call.failed() {
            return Ok(());
        }
        let count = ended.and_then(|_| call.count());
        let Some(action) = self.action(&call, count)? else {
            return Ok(());
        };
        match &action {
            Action::Sync(_) | Action::SyncFolder | Action::Say(_) => {}
            _ if ended.is_none() => return Err("nobody knows whether it was done"),
            Action::Write { file, .. } | Action::Resize { file, .. } if file.ends_with(DELETED) => {
                return Err("it changes a file that was deleted");
            }
            _ => {}
        }
        self.steps.push(Step {
            began,
            ended,
            action,
        });
        Ok(())
    }

    fn action(&self, call: &Call<'_>, count: Option<usize>) -> Result<Option<Action>, Why> {
        let [first, second, third, fourth] = call.first_arguments();
        let descriptor = named(first);
        let file = self.file(&descriptor);
        Ok(match (call.name, file) {
            ("write", _) if descriptor == self.said => Some(Action::Say(written(second, count)?)),
            ("fsync" | "fdatasync", _) if descriptor == self.folder => Some(Action::SyncFolder),
            ("fsync" | "fdatasync", file) => file.map(Action::Sync),
            ("pwrite64", Some(file)) => Some(Action::Write {
                file,
                offset: number(fourth)?,
                bytes: written(second, count)?,
            }),
            ("ftruncate", Some(file)) => Some(Action::Resize {
                file,
                size: number(second)?,
            }),
            ("open", _) => self.open(&text(first)?, second)?,
            ("openat", _) => self.open(&path(first, second)?, third)?,
            ("unlink", _) => self.file(&text(first)?).map(Action::Remove),
            ("unlinkat", _) => self.file(&path(first, second)?).map(Action::Remove),
            // Read from memory, or changed in the process's own copy.
            ("mmap", _) if !third.contains("PROT_WRITE") || !fourth.contains("MAP_SHARED") => None,
            _ if call.arguments.iter().any(|one| self.concerns(one)) => {
                return Err("such a change is not followed");
            }
            _ => None,
        })
    }

    fn open(&self, path: &str, flags: &str) -> Result<Option<Action>, Why> {
        match self.file(path) {
            Some(_) if flags.contains("O_TRUNC") => Err("it empties a file by opening it"),
            Some(file) if flags.contains("O_CREAT") => Ok(Some(Action::Create(file))),
            Some(_) | None => Ok(None),
        }
    }

    /// The name of a file in the folder, unless it is the log's index.
    fn file(&self, path: &str) -> Option<String> {
        let name = path.strip_prefix(&self.folder)?.strip_prefix('/')?;
        let is_index = name.trim_end_matches(DELETED).ends_with("-shm");
        (!is_index).then(|| name.to_owned())
    }

    fn concerns(&self, argument: &str) -> bool {
        let path = text(argument).unwrap_or_else(|_| named(argument));
        self.file(&path).is_some()
    }
}

/// A call as it stands in the trace.
struct Call<'t> {
    name: &'t str,
    arguments: Vec<&'t str>,
    /// What it gave, if that stands there.
    result: Option<&'t str>,
}

impl<'t> Call<'t> {
    /// Strings stand in hexadecimal digits, so what separates arguments is never within one.
    fn parse(text: &'t str) -> Result<Self, Why> {
        let (name, rest) = text.split_once('(').ok_or("it is no call")?;
        let (arguments, result) = match rest.rsplit_once(" = ") {
            Some((arguments, result)) => (arguments.trim_end(), Some(result)),
            None => (rest, None),
        };
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        Ok(Self {
            name,
            arguments: arguments.split(", ").collect(),
            result: result.and_then(|result| result.split([' ', '<']).next()),
        })
    }

    fn failed(&self) -> bool {
        self.result.is_some_and(|result| result.starts_with('-'))
    }

    /// What it gave, if that is a number.
    fn count(&self) -> Option<usize> {
        self.result?.parse().ok()
    }

    fn first_arguments(&self) -> [&'t str; 4] {
        [0, 1, 2, 3].map(|number| self.arguments.get(number).copied().unwrap_or_default())
    }
}

/// A number of bytes.
fn number(argument: &str) -> Result<usize, Why> {
    let number = argument.parse();
    number.map_err(|_| "it has no number where one is needed")
}

/// The path that stands behind a descriptor; empty if there is none.
fn named(argument: &str) -> String {
    let path = argument
        .split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'));
    path.map_or_else(String::new, |(path, deleted)| {
        String::from_utf8_lossy(&bytes(path)).into_owned() + deleted
    })
}

/// A string.
fn quoted(argument: &str) -> Result<Vec<u8>, Why> {
    let inside = argument
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside
        .map(bytes)
        .ok_or("it has no whole string where one is needed")
}

fn text(argument: &str) -> Result<String, Why> {
    Ok(String::from_utf8_lossy(&quoted(argument)?).into_owned())
}

/// A path that may begin at a folder.
fn path(folder: &str, argument: &str) -> Result<String, Why> {
    let path = text(argument)?;
    Ok(if path.starts_with('/') {
        path
    } else {
        format!("{}/{path}", named(folder))
    })
}

/// What was written of a string, if it is known how much.
fn written(argument: &str, count: Option<usize>) -> Result<Vec<u8>, Why> {
    let mut bytes = quoted(argument)?;
    let count = count.unwrap_or(bytes.len());
    if count > bytes.len() {
        return Err("it has no whole string where one is needed");
    }
    bytes.truncate(count);
    Ok(bytes)
}

/// What stands there in hexadecimal digits, `\x2f`, or as it is.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, rest @ ..] => {
                bytes.push((digit(*high) << 4) | digit(*low));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
            [] => return bytes,
        };
    }
}

fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
