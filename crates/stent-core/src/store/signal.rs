use crate::signal::NewSignal;

/// Signals to send, at most [`crate::defaults::BATCH_MAX`].
#[derive(Clone, Debug, Default)]
pub struct SignalRequest {
    /// Sent in this order.
    pub signals: Vec<NewSignal>,
}
