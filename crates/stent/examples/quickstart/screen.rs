//! What is shown while the index is made: a progress bar on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::index::Watch;

/// Plain lines that say how far the work is, at most.
const PLAIN_LINES: usize = 20;

const PROGRESS: &str =
    "{spinner} [{elapsed_precise}] [{wide_bar}] {human_pos}/{human_len} files, {eta} left";

/// Shows people what goes on.
#[derive(Debug)]
pub(crate) struct Screen {
    bar: Option<ProgressBar>,
    /// Files that are done, as far as was shown.
    done: AtomicUsize,
}

impl Screen {
    /// Draws a bar if people watch.
    pub(crate) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            done: AtomicUsize::new(0),
        }
    }

    /// Says something for good.
    #[expect(clippy::print_stdout, reason = "an example talks to people")]
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    /// Says what is waited for, for now.
    pub(crate) fn waiting(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.say(text),
        }
    }

    /// Says how many files were done before, so that only what is more is news.
    pub(crate) fn begin_at(&self, done: usize, total: usize) {
        self.say(&format!("{done} of {total} files were done before"));
        self.done.fetch_max(done, Ordering::Relaxed);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Screen {
    /// Shows how many files are done. The count never goes back here.
    fn progress(&self, done: usize, total: usize) {
        let before = self.done.fetch_max(done, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => {
                if bar.length().is_none() {
                    bar.set_style(style(PROGRESS));
                    bar.set_length(total as u64);
                    // What was done before says nothing about how long the rest takes.
                    bar.set_position(before as u64);
                    bar.reset_eta();
                }
                bar.set_position(done.max(before) as u64);
            }
            None => {
                let part = |done: usize| done * PLAIN_LINES / total.max(1);
                if part(before) < part(done) {
                    self.say(&format!("{done} of {total} files are done"));
                }
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
