//! Whether the database takes what changes something.

use stent_core::store::Health;

use super::verb::Verb;
use crate::{fault::Fault, pipeline::Frame, session::Session};

/// A request that changes nothing, in a transaction that could.
#[derive(Debug)]
pub(crate) struct HealthCheck;

#[async_trait::async_trait]
impl Verb for HealthCheck {
    type Answer = Health;
    const NAME: &'static str = "health";

    async fn run(&self, session: &mut Session<'_>) -> Result<Health, Fault> {
        let (_, now) = session.pipeline_with_now(Frame::Begin, Vec::new()).await?;
        Ok(Health::at(now))
    }
}
