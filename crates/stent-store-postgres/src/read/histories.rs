//! Histories of tasks.

use std::collections::HashMap;

use stent_core::{
    HistoryEntry, TaskId,
    store::{HistoryRequest, TaskHistory},
};

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows,
    session::Session,
    statements::Sql,
    write::uuids,
};

impl Session<'_> {
    /// Histories, whole or from an ordinal on.
    pub(crate) async fn task_histories(
        &self,
        requests: &[HistoryRequest],
    ) -> Result<Vec<TaskHistory>, Fault> {
        let (whole, parts): (Vec<&HistoryRequest>, Vec<&HistoryRequest>) =
            requests.iter().partition(|one| one.whole);
        let after: Vec<i64> = parts.iter().map(|one| one.after.0.into()).collect();
        let calls = [
            Call::new(Sql::ReadHistories).with(uuids(whole.iter().map(|one| one.task))),
            Call::new(Sql::ReadDeliveries)
                .with(uuids(parts.iter().map(|one| one.task)))
                .with(after),
        ];
        let mut answers = self.pipeline(Frame::BeginRead, &calls).await?.into_iter();
        let whole = by_task(&answers.next().unwrap_or_default())?;
        let parts = by_task(&answers.next().unwrap_or_default())?;
        let answer = |request: &HistoryRequest| {
            let known = if request.whole { &whole } else { &parts };
            let entries = known.get(&request.task).into_iter().flatten();
            let is_wanted = |entry: &&HistoryEntry| {
                let ordinal = entry.head.resolved.and_then(|resolved| resolved.ordinal);
                request.whole || ordinal.is_some_and(|ordinal| ordinal > request.after)
            };
            let mut entries: Vec<_> = entries.filter(is_wanted).cloned().collect();
            // One that was asked for twice was read twice.
            entries.dedup_by_key(|entry| entry.head.position);
            TaskHistory {
                task: request.task,
                entries,
            }
        };
        Ok(requests.iter().map(answer).collect())
    }
}

fn by_task(rows: &[tokio_postgres::Row]) -> Result<HashMap<TaskId, Vec<HistoryEntry>>, Fault> {
    let mut histories: HashMap<TaskId, Vec<HistoryEntry>> = HashMap::new();
    for row in rows {
        let (task, entry) = rows::history_entry(row)?;
        histories.entry(task).or_default().push(entry);
    }
    Ok(histories)
}
