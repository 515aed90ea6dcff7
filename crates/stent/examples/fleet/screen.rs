//! What is shown while the fleet works: a table that is drawn anew on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Plain lines that say how far the work is, at most.
const PLAIN_LINES: usize = 20;

/// What one worker process does.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) process: u32,
    /// How often its place was taken by a new process.
    pub(crate) replaced: u32,
    pub(crate) runs_for: Duration,
    /// Tasks that it holds, by the database.
    pub(crate) leases: usize,
    /// Whether the one that makes the index is among them.
    pub(crate) has_index: bool,
    pub(crate) measured: usize,
    pub(crate) stolen: u64,
}

/// All that is shown.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) rows: Vec<Row>,
    /// Leases of processes that were killed.
    pub(crate) orphans: usize,
    pub(crate) done: usize,
    pub(crate) total: usize,
    pub(crate) per_second: f64,
    pub(crate) stolen: u64,
    pub(crate) killed: usize,
}

/// Shows people what goes on.
#[derive(Debug)]
pub(crate) struct Screen {
    table: Option<Table>,
    /// What was said of the progress, in parts of [`PLAIN_LINES`].
    said: usize,
}

#[derive(Debug)]
struct Table {
    all: MultiProgress,
    head: [ProgressBar; 2],
    rows: Vec<ProgressBar>,
    orphans: ProgressBar,
    progress: ProgressBar,
}

impl Screen {
    /// Draws a table if people watch.
    pub(crate) fn new(workers: usize) -> Self {
        let table = io::stderr().is_terminal().then(|| Table::new(workers));
        Self { table, said: 0 }
    }

    /// Says something for good.
    #[expect(clippy::print_stdout, reason = "an example talks to people")]
    pub(crate) fn say(&self, text: &str) {
        match &self.table {
            Some(table) => table.all.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    /// Shows how things are now.
    pub(crate) fn show(&mut self, view: &View) {
        if let Some(table) = &self.table {
            return table.show(view);
        }
        let part = view.done * PLAIN_LINES / view.total.max(1);
        if part > self.said {
            self.said = part;
            self.say(&format!(
                "{} of {} files, {}",
                view.done,
                view.total,
                rates(view)
            ));
        }
    }

    /// Takes the table away.
    pub(crate) fn finish(&mut self) {
        if let Some(table) = self.table.take() {
            table.all.clear().unwrap_or_default();
        }
    }
}

impl Table {
    fn new(workers: usize) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let line = |template: &str| all.add(ProgressBar::new(0).with_style(style(template)));
        // A bar that nobody holds is not drawn again.
        let head = [line(" "), line("{msg:.bold}")];
        let titles = [
            "worker", "process", "runs for", "leases", "files", "stolen", "killed",
        ];
        head[1].set_message(columns(titles.map(str::to_owned)));
        let rows = (0..workers).map(|_| line("{msg}")).collect();
        let orphans = line("{msg:.yellow}");
        let progress = line("[{wide_bar:.green}] {pos}/{len} files, {msg}");
        Self {
            all,
            head,
            rows,
            orphans,
            progress,
        }
    }

    fn show(&self, view: &View) {
        self.head.iter().for_each(ProgressBar::tick);
        for ((number, row), line) in (1_u32..).zip(&view.rows).zip(&self.rows) {
            let index = if row.has_index {
                "  makes the index"
            } else {
                ""
            };
            line.set_message(
                columns([
                    number.to_string(),
                    row.process.to_string(),
                    format!("{:.1} s", row.runs_for.as_secs_f64()),
                    row.leases.to_string(),
                    row.measured.to_string(),
                    row.stolen.to_string(),
                    format!("{}x", row.replaced),
                ]) + index,
            );
        }
        self.orphans.set_message(match view.orphans {
            0 => String::new(),
            leases => format!("  leases of killed processes, until they run out: {leases}"),
        });
        self.progress.set_length(view.total as u64);
        self.progress.set_position(view.done as u64);
        self.progress.set_message(rates(view));
    }
}

fn columns(cells: [String; 7]) -> String {
    cells.map(|cell| format!("{cell:>9}")).concat()
}

fn rates(view: &View) -> String {
    format!(
        "{:.0}/s, {} killed, {} stolen",
        view.per_second, view.killed, view.stolen
    )
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
