//! Long polling: the lines that have come, or the next ones as soon as they do.

use std::time::Duration;

use proto_http::Status;

use super::super::{Responder, Sent};
use super::question::Start;
use super::{View, Watch, whole};
use crate::stream::Gone;

/// How long is waited for a first line.
const PATIENCE: Duration = Duration::from_secs(25);

/// Sends what there is; who asks for what comes after something waits for it.
pub(super) async fn send(responder: &mut Responder<'_>, mut view: View) -> Result<Sent, Gone> {
    let watch = Watch::new(responder.stream);
    let begun = responder.stream.shard.clock.now();
    let waits =
        matches!(view.question.start, Start::After { .. }) && !view.strange && responder.wants_content();
    let mut lines = Vec::new();
    let mut missed = 0;
    loop {
        let look = view.look(&mut lines, |lines, _, object| {
            if !lines.is_empty() {
                lines.push(b',');
            }
            lines.extend_from_slice(object);
        });
        missed += look.missed;
        let waited = responder.stream.shard.clock.now() - begun;
        let enough = look.lines > 0 || missed > 0 || u128::from(waited) >= PATIENCE.as_nanos();
        if !waits || enough || watch.is_over(responder) {
            break;
        }
        if look.more {
            responder.stream.turn().await;
        } else {
            // Earlier answers on the connection do not wait for this one.
            responder.stream.send(responder.out).await?;
            responder.stream.sent().await?;
            responder.stream.news().await?;
        }
    }
    responder.stream.shard.count_by(perf::Counter::CometLinesMissed, missed);
    let mut text = Vec::with_capacity(lines.len() + 100);
    let (next, restarted) = (view.place(), view.strange);
    text.extend_from_slice(
        format!("{{\"next\":\"{next}\",\"restarted\":{restarted},\"missed\":{missed},\"lines\":[").as_bytes(),
    );
    text.extend_from_slice(&lines);
    text.extend_from_slice(b"]}\n");
    Ok(whole(responder, Status::OK, b"application/json", &text))
}
