//! The report: totals, the ten largest files, what could not be read, who did what, and every file with its hash.
//!
//! **Invariant:** the report is replaced as a whole: whoever reads it never sees a half of it, whenever the process is killed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::files::{Measures, Problem};

/// One start of the program. An index that was killed and gone on with has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Start {
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// The process.
    pub(crate) process: u32,
}

impl Start {
    /// The present start of the program.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is shown to people and decides nothing"
    )]
    pub(crate) fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.unwrap_or_default().as_millis();
        Self {
            at_ms: u64::try_from(millis).unwrap_or(u64::MAX),
            process: std::process::id(),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(self.at_ms);
        write!(
            f,
            "{} (process {})",
            humantime::format_rfc3339_millis(at),
            self.process
        )
    }
}

/// A file that was measured, and under which start that was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// What it holds.
    pub(crate) measures: Measures,
    /// Who measured it.
    pub(crate) by: Start,
}

/// Everything that the report says.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    /// The folder.
    pub(crate) folder: &'a Path,
    /// Every file that was measured, by path.
    pub(crate) files: Vec<(&'a str, Measured)>,
    /// What could not be indexed, by path.
    pub(crate) problems: Vec<Problem>,
    /// Folders that were left out.
    pub(crate) skipped: &'a [String],
    /// Links that were not followed.
    pub(crate) links: u64,
}

/// The sums, as the index's result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Where the report lies.
    pub(crate) report: PathBuf,
    /// Files that were measured.
    pub(crate) files: usize,
    /// Files and folders that could not be read.
    pub(crate) problems: usize,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Lines of all files.
    pub(crate) lines: u64,
    /// Words of all files.
    pub(crate) words: u64,
    /// Each start of the program that is known, with the number of files that it measured; the earliest first.
    pub(crate) starts: Vec<(Start, usize)>,
}

impl Summary {
    /// Says how much was done before and after the program was started again.
    pub(crate) fn restarts(&self) -> String {
        let [(_, before), others @ ..] = self.starts.as_slice() else {
            return "nothing was measured".to_owned();
        };
        let after: usize = others.iter().map(|(_, files)| files).sum();
        match others.len() {
            0 => format!("{before} files were done in one go"),
            1 => format!("{before} files were done before the restart, {after} after it"),
            restarts => {
                format!(
                    "{before} files were done before the first of {restarts} restarts, {after} after it"
                )
            }
        }
    }
}

impl Index<'_> {
    /// Writes the report, and gives the sums. `starts` are those that count even if they measured nothing.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub(crate) fn write(&self, report: &Path, starts: &[Start]) -> io::Result<Summary> {
        let summary = self.summary(report, starts);
        let mut beside = report.as_os_str().to_owned();
        beside.push(".new");
        fs::write(&beside, self.page(&summary))?;
        fs::rename(&beside, report)?;
        Ok(summary)
    }

    fn summary(&self, report: &Path, starts: &[Start]) -> Summary {
        let mut by_start: BTreeMap<Start, usize> = starts.iter().map(|start| (*start, 0)).collect();
        for (_, file) in &self.files {
            *by_start.entry(file.by).or_default() += 1;
        }
        let sum = |of: fn(&Measures) -> u64| self.files.iter().map(|(_, f)| of(&f.measures)).sum();
        Summary {
            report: report.to_owned(),
            files: self.files.len(),
            problems: self.problems.len(),
            bytes: sum(|file| file.bytes),
            lines: sum(|file| file.lines),
            words: sum(|file| file.words),
            starts: by_start.into_iter().collect(),
        }
    }

    fn page(&self, summary: &Summary) -> String {
        let mut page = String::new();
        self.head(&mut page, summary)
            .and_then(|()| self.largest(&mut page))
            .and_then(|()| self.not_indexed(&mut page))
            .and_then(|()| self.all(&mut page))
            .expect("writing to a string never fails");
        page
    }

    fn head(&self, page: &mut String, summary: &Summary) -> fmt::Result {
        writeln!(
            page,
            "# Index of {}\n",
            code(&self.folder.to_string_lossy())
        )?;
        writeln!(page, "| what | how many |\n|---|---:|")?;
        writeln!(page, "| files | {} |", summary.files)?;
        writeln!(page, "| bytes | {} |", summary.bytes)?;
        writeln!(page, "| lines | {} |", summary.lines)?;
        writeln!(page, "| words | {} |", summary.words)?;
        writeln!(page, "| not indexed | {} |", summary.problems)?;
        writeln!(page, "| links, not followed | {} |\n", self.links)?;
        if !self.skipped.is_empty() {
            let skipped: Vec<_> = self.skipped.iter().map(|path| code(path)).collect();
            writeln!(page, "Left out: {}.\n", skipped.join(", "))?;
        }
        writeln!(
            page,
            "## Before and after restarts\n\n{}.\n",
            summary.restarts()
        )?;
        writeln!(page, "| start | at | files done |\n|---:|---|---:|")?;
        for (number, (start, files)) in summary.starts.iter().enumerate() {
            writeln!(page, "| {} | {start} | {files} |", number + 1)?;
        }
        Ok(())
    }

    fn largest(&self, page: &mut String) -> fmt::Result {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(path, file)| (std::cmp::Reverse(file.measures.bytes), *path));
        writeln!(page, "\n## The ten largest files\n")?;
        writeln!(
            page,
            "| bytes | lines | words | file |\n|---:|---:|---:|---|"
        )?;
        for (path, file) in files.into_iter().take(10) {
            let Measures {
                bytes,
                lines,
                words,
                ..
            } = file.measures;
            writeln!(page, "| {bytes} | {lines} | {words} | {} |", code(path))?;
        }
        Ok(())
    }

    fn not_indexed(&self, page: &mut String) -> fmt::Result {
        if self.problems.is_empty() {
            return Ok(());
        }
        writeln!(page, "\n## Not indexed\n\n| file | why |\n|---|---|")?;
        for Problem { path, reason } in &self.problems {
            writeln!(page, "| {} | {} |", code(path), code(reason))?;
        }
        Ok(())
    }

    fn all(&self, page: &mut String) -> fmt::Result {
        writeln!(
            page,
            "\n## All files\n\n| sha256 | bytes | file |\n|---|---:|---|"
        )?;
        for (path, file) in &self.files {
            let Measures { sha256, bytes, .. } = &file.measures;
            writeln!(page, "| `{sha256}` | {bytes} | {} |", code(path))?;
        }
        Ok(())
    }
}

/// A text as code in a cell of a table: whatever a file is called, it stays in its cell and moves no cursor.
pub(crate) fn code(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '|' => shown.push_str("\\|"),
            char if char.is_control() => shown.extend(char.escape_default()),
            char => shown.push(char),
        }
    }
    // A fence longer than any run of backticks within.
    let longest = shown
        .split(|char| char != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{shown}{space}{fence}")
}
