//! What is logged: never a password.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{Event, Metadata, Subscriber, field, span};

/// Keeps everything that any crate says at any level.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<String>>);

impl Said {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, record: impl FnOnce(&mut dyn field::Visit)) {
        struct Text(String);
        impl field::Visit for Text {
            fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        record(&mut text);
        self.0.lock().unwrap().push_str(&text.0);
    }
}

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn event(&self, event: &Event<'_>) {
        self.keep(|text| event.record(text));
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.keep(|text| attributes.record(text));
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        self.keep(|text| values.record(text));
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
