//! Whether the process lives, and whether it is ready: from what its parts say.

use std::fmt::Write;

use jobq_core::Vitals;
use jobq_core::vitals::Condition;

use super::Health;
use super::store::Seen;

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) is_good: bool,
    /// A line for the whole, and one for each part.
    pub(super) text: String,
}

impl Health {
    /// Whether the loops of all parts turn. Parts that have not begun or have ended have none.
    pub(super) fn liveness(&self) -> Judgement {
        let patience = self.stalled_after_now();
        let (mut is_good, mut lines) = (true, String::new());
        for part in self.parts() {
            let silent_for = part.since_beat().filter(|_| part.condition() != Condition::Stopped);
            match silent_for.filter(|silent| *silent > patience) {
                None => _ = writeln!(lines, "{}: {}", part.part(), word(&part.condition())),
                Some(silent) => {
                    is_good = false;
                    let (part, seconds) = (part.part(), silent.as_secs_f64());
                    let _ = writeln!(
                        lines,
                        "{part}: has not turned for {seconds:.1} s: something blocks its runtime"
                    );
                }
            }
        }
        Judgement {
            is_good,
            text: format!("{}\n{lines}", if is_good { "alive" } else { "stalled" }),
        }
    }

    /// Whether all parts take on work, and the store answers.
    pub(super) async fn readiness(&self) -> Judgement {
        let store = self.shared.store.answers().await;
        let parts = self.parts();
        let mut is_good = !parts.is_empty();
        let mut lines = String::new();
        for part in &parts {
            is_good &= part.condition() == Condition::Ready;
            let _ = writeln!(lines, "{}", line(part));
        }
        if parts.is_empty() {
            lines.push_str("nothing has begun to run\n");
        }
        match &*store {
            Seen::Up(()) => lines.push_str("store: up\n"),
            Seen::Down(why) => {
                is_good = false;
                let _ = writeln!(lines, "store: {}", one_line(why));
            }
        }
        let head = if is_good { "ready" } else { "not ready" };
        Judgement { is_good, text: format!("{head}\n{lines}") }
    }
}

/// What a part says of itself, in one line.
pub(super) fn line(part: &Vitals) -> String {
    let condition = part.condition();
    let name = part.part();
    match &condition {
        Condition::Disconnected(why) => {
            format!("{name}: {}: {}", word(&condition), one_line(why))
        }
        _ => format!("{name}: {}", word(&condition)),
    }
}

/// The word for a condition.
pub(super) const fn word(condition: &Condition) -> &'static str {
    match condition {
        Condition::Starting => "starting",
        Condition::Ready => "ready",
        Condition::Disconnected(_) => "disconnected",
        Condition::Draining => "draining",
        Condition::Stopped => "stopped",
        _ => "in a condition of its own",
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
