//! Sending signals to executions.

use stent_core::{
    signal::{NewSignal, SignalAnswer, accept},
    store::SignalRequest,
};

use crate::store::Transaction;

impl Transaction<'_> {
    /// Sends signals, in order.
    pub(crate) fn signal(&mut self, request: SignalRequest) -> Vec<SignalAnswer> {
        let signals = request.signals.into_iter();
        signals.map(|signal| self.signal_one(signal)).collect()
    }

    fn signal_one(&mut self, signal: NewSignal) -> SignalAnswer {
        if self.tables.signals.is_known(signal.id) {
            return SignalAnswer::Known;
        }
        let root = self.tables.root(signal.execution);
        let answer = accept(root.map(|root| root.task.state.kind()));
        if answer == SignalAnswer::Accepted {
            let (execution, name) = (signal.execution, signal.name.clone());
            let seq = self.tables.next_in_sequence();
            self.tables.signals.keep(seq, signal);
            self.hand_over_signals(execution, &name);
        }
        answer
    }
}
