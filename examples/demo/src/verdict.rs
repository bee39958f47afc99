//! What came of it.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::system::Promise;

/// What came of it, system by system.
pub(crate) struct Verdict {
    pub(crate) systems: Vec<(&'static str, String, Vec<Promise>)>,
    /// Attempts of all workers.
    pub(crate) attempts: u64,
    /// Ticks that the scheduler has enqueued.
    pub(crate) ticks: u64,
    pub(crate) elapsed: Duration,
}

impl Verdict {
    /// Whether every promise was kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.systems.iter().all(|(_, _, promises)| promises.iter().all(|promise| promise.is_kept))
    }

    /// Prints it. The names in the JSON are a promise.
    pub(crate) fn print(&self, as_json: bool) {
        let seconds = (self.elapsed.as_secs_f64() * 10.0).round() / 10.0;
        let mut text = String::new();
        if as_json {
            let systems: Vec<Value> = self.systems.iter().map(system).collect();
            text = json!({
                "kept": self.is_kept(),
                "attempts": self.attempts,
                "ticks": self.ticks,
                "seconds": seconds,
                "systems": systems,
            })
            .to_string();
        } else {
            for (name, line, promises) in &self.systems {
                text += &format!("{name}: {line}\n");
                for Promise { what, is_kept } in promises {
                    text += &format!("  {}  {what}\n", if *is_kept { "kept  " } else { "BROKEN" });
                }
            }
            text += &format!(
                "{} attempts at jobs, {} of them enqueued by the clock, in {seconds} s",
                self.attempts, self.ticks
            );
        }
        // Nobody is left to tell when stdout is closed.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

fn system((name, line, promises): &(&'static str, String, Vec<Promise>)) -> Value {
    let promises: Vec<Value> = promises
        .iter()
        .map(|promise| json!({"what": promise.what, "kept": promise.is_kept}))
        .collect();
    json!({"name": name, "stands": line, "promises": promises})
}
