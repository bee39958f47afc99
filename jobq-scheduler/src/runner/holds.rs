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
        let hold = Hold { until: now + first, wait: first, times: 1, is_probed: false };
        self.0.insert(reach, hold);
        1
    }

    /// A claim has come to something. Says whether others were held back.
    pub(super) fn worked(&mut self, name: &ScheduleName, record: &JobRecord) -> bool {
        !self.0.is_empty()
            && reaches(name, record).filter_map(|reach| self.0.remove(&reach)).count() > 0
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
