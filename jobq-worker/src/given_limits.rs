//! Limits of queues and lanes that a program sets each time it starts.
//!
//! When a worker stops by itself is another matter: see [`run_limits`](crate::run_limits).

use jobq_core::{LimitScope, Limits};

/// Limits and what they are for, as they were given; a name that breaks the rules is a fault.
pub(crate) type GivenLimits = (Result<LimitScope, String>, Limits);

/// The limits that keep the rules; what is wrong with the others is added to the faults.
pub(crate) fn check(
    given: Vec<GivenLimits>,
    faults: &mut Vec<String>,
) -> Vec<(LimitScope, Limits)> {
    let mut checked: Vec<(LimitScope, Limits)> = Vec::new();
    for (scope, limits) in given {
        match scope {
            Err(fault) => faults.push(fault),
            Ok(scope) if checked.iter().any(|(other, _)| *other == scope) => {
                faults.push(format!("the limits of {scope} are given twice"));
            }
            Ok(scope) => match limits.check(&scope) {
                Err(fault) => faults.push(format!("the limits of {scope}: {fault}")),
                Ok(()) => checked.push((scope, limits)),
            },
        }
    }
    checked
}

/// Limits in one line, for a log.
pub(crate) fn shown(limits: &Limits) -> String {
    let parts = [
        limits.rate.map(|rate| format!("rate {rate}")),
        limits.concurrency.map(|jobs| format!("concurrency {jobs}")),
        limits.max_size.map(|jobs| format!("maximum size {jobs}")),
        limits.weight.map(|weight| format!("weight {weight}")),
        limits.breaker.map(|breaker| {
            format!("rest of {:?} after {} failures", breaker.rest, breaker.failures)
        }),
        limits.shared.as_ref().map(|name| format!("part in {name}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
