//! Claims that are held back because others like them have failed.

use std::collections::BTreeMap;
use std::time::Duration;

use jobq_core::{Error, ErrorKind, JobRecord, LaneKey, QueueName, ScheduleName};
use tokio::time::Instant;

/// When to try again what has failed: then after twice that time, and so on.
const FIRST: Duration = Duration::from_secs(1);
const FIRST_IF_FULL: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(30);

/// What fails together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// A queue that is full or cannot be reached, or a lane of it that is full.
    Place(QueueName, Option<LaneKey>),
    /// One schedule, for a reason of its own.
    Schedule(ScheduleName),
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Instant,
    wait: Duration,
    /// How often in a row it has failed.
    times: u32,
    /// Whether there was no room: then only a job that was enqueued shows that there is.
    is_full: bool,
    /// Whether a claim is under way that tells whether it works again.
    is_probed: bool,
}

/// All that is held back.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<Reach, Hold>);

impl Holds {
    /// Until when claims of a schedule are held back; `None` if they are not.
    pub(super) fn until(&self, name: &ScheduleName, record: &JobRecord) -> Option<Instant> {
        let holds = reaches(name, record).filter_map(|reach| self.0.get(&reach));
        holds.map(|hold| hold.until).max().filter(|until| *until > Instant::now())
    }

    /// A claim of a schedule is made. If others have failed, it is the only one, to see whether it works
    /// again.
    pub(super) fn begins(&mut self, name: &ScheduleName, record: &JobRecord) {
        for reach in reaches(name, record) {
            if let Some(hold) = self.0.get_mut(&reach) {
                hold.until = Instant::now() + hold.wait;
                hold.is_probed = true;
            }
        }
    }

    /// A claim has failed. Says how often in a row that has happened, to all that fail together.
    pub(super) fn failed(
        &mut self,
        name: &ScheduleName,
        record: &JobRecord,
        error: Option<&Error>,
    ) -> u32 {
        let (reach, first) = match error.map(Error::kind) {
            // Lanes have bounds of their own.
            Some(ErrorKind::Limited) => (place(record, record.lane.clone()), FIRST_IF_FULL),
            Some(ErrorKind::Unavailable | ErrorKind::Full) => (place(record, None), FIRST),
            _ => (Reach::Schedule(name.clone()), FIRST),
        };
        let now = Instant::now();
        match self.0.get_mut(&reach) {
            // It was under way already when another one failed.
            Some(hold) if hold.until > now && !hold.is_probed => return u32::MAX,
            Some(hold) => {
                hold.wait = (hold.wait * 2).min(LONGEST);
                hold.until = now + hold.wait;
                hold.times = hold.times.saturating_add(1);
                hold.is_probed = false;
                return hold.times;
            }
            None => {}
        }
        let is_full = error.is_some_and(|error| error.kind() == ErrorKind::Limited);
        let hold = Hold { until: now + first, wait: first, times: 1, is_full, is_probed: false };
        self.0.insert(reach, hold);
        1
    }

    /// A claim has come to something: an enqueue, or a tick that is left out. Says whether others were held
    /// back.
    pub(super) fn worked(
        &mut self,
        name: &ScheduleName,
        record: &JobRecord,
        is_enqueued: bool,
    ) -> bool {
        let before = self.0.len();
        for reach in reaches(name, record) {
            if self.0.get(&reach).is_some_and(|hold| is_enqueued || !hold.is_full) {
                self.0.remove(&reach);
            }
        }
        self.0.len() < before
    }

    /// Nothing is held back any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn place(record: &JobRecord, lane: Option<LaneKey>) -> Reach {
    Reach::Place(record.queue.clone(), lane)
}

fn reaches(name: &ScheduleName, record: &JobRecord) -> impl Iterator<Item = Reach> + use<> {
    let lane = record.lane.clone().map(|lane| place(record, Some(lane)));
    [place(record, None), Reach::Schedule(name.clone())].into_iter().chain(lane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    const SECOND: Duration = Duration::from_secs(1);

    fn name(name: &str) -> ScheduleName {
        ScheduleName::new(name).unwrap()
    }

    fn wait(holds: &Holds, of: &str, record: &JobRecord) -> Duration {
        let until = holds.until(&name(of), record);
        until.map_or(Duration::ZERO, |until| until - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_probed_after_longer_and_longer_waits() {
        let full = Error::new(ErrorKind::Limited, "full");
        let (one, two) = (faults::record("one"), faults::record("two"));
        let mut holds = Holds::default();
        assert_eq!(holds.failed(&name("a"), &one, Some(&full)), 1);
        assert_ne!(holds.failed(&name("b"), &one, Some(&full)), 1, "it was under way");
        assert_eq!(
            (wait(&holds, "b", &one), wait(&holds, "b", &two)),
            (SECOND * 5, Duration::ZERO)
        );

        for (times, seconds) in [(2, 10), (3, 20), (4, 30), (5, 30)] {
            tokio::time::sleep(wait(&holds, "b", &one)).await;
            assert_eq!(holds.until(&name("b"), &one), None);
            holds.begins(&name("b"), &one);
            assert!(holds.until(&name("a"), &one).is_some(), "one at a time");
            assert_eq!(holds.failed(&name("b"), &one, Some(&full)), times);
            assert_eq!(wait(&holds, "a", &one), SECOND * seconds);
        }
        assert!(!holds.worked(&name("a"), &one, false), "a tick that is left out shows no room");
        assert!(holds.worked(&name("a"), &one, true));
        assert_eq!(holds.until(&name("b"), &one), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_one_schedule_holds_up_no_other() {
        let refused = Error::invalid_input("too large");
        let mut store = faults::record("one");
        store.lane = Some(LaneKey::new("store-1").unwrap());
        let (full, one) = (Error::new(ErrorKind::Limited, "full"), faults::record("one"));
        let mut holds = Holds::default();
        holds.failed(&name("a"), &one, Some(&refused));
        holds.failed(&name("b"), &one, None);
        holds.failed(&name("c"), &store, Some(&full));

        let held = |of: &str, record: &JobRecord| wait(&holds, of, record).as_secs();
        assert_eq!((held("a", &one), held("b", &one), held("c", &store)), (1, 1, 5));
        assert_eq!((held("d", &one), held("d", &store)), (0, 5), "lanes have bounds of their own");
    }
}
