//! Making executions.

use stent_core::{
    Hint, NewExecution, Payload,
    store::{DispatchAnswer, DispatchRequest, Dispatched},
};

use crate::{
    store::Transaction,
    tables::{Labels, Row},
};

impl Transaction<'_> {
    /// Makes executions; what exists under a key or an id is answered instead.
    pub(crate) fn dispatch(&mut self, request: DispatchRequest) -> DispatchAnswer {
        let executions = request.executions.into_iter();
        DispatchAnswer {
            executions: executions.map(|one| self.dispatch_one(one)).collect(),
        }
    }

    fn dispatch_one(&mut self, execution: NewExecution) -> Dispatched {
        let NewExecution {
            root,
            idempotency_key,
            tags,
        } = execution;
        let function = root.function.clone();
        let key = idempotency_key.clone().map(|key| (function, key));
        let by_key = key.as_ref().and_then(|key| self.tables.keys.get(key));
        let by_key = by_key.and_then(|execution| self.tables.root(*execution));
        if let Some(row) = by_key.or_else(|| self.tables.row(root.id)) {
            return existing(row, &root.input);
        }
        let (task, input) = root.into_root(self.now);
        let execution = task.execution;
        self.hints.push(Hint::due(&task));
        self.tables.insert(task, input);
        if let Some(key) = key {
            self.tables.keys.insert(key, execution);
        }
        let labels = Labels {
            idempotency_key,
            tags: tags.into_iter().collect(),
        };
        self.tables.executions.insert(execution, labels);
        Dispatched::Created(execution)
    }
}

fn existing(row: &Row, input: &Payload) -> Dispatched {
    Dispatched::Existing {
        execution: row.task.execution,
        other_input: row.input != *input,
    }
}
