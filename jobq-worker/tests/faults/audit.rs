//! What must hold when a fault is over and all is done: looked at from the notes of the handlers, and from the store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jobq_core::{Backend, BatchState, Inspect, Job, JobId, JobState};
use jobq_scheduler::instant;

use crate::jobs::{LANE_LIMIT, LANES, MIX, Only, QUEUES, RATE};
use crate::ledger::{Note, Run, Start};
use crate::mix::Book;
use crate::stage::{LEASE, Stage, queue};

/// What a fault changes of what must hold.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Jobs that must be dead, besides those of the mix that fail for good.
    pub(crate) dead: BTreeSet<JobId>,
    /// Nothing runs a second time.
    pub(crate) each_once: bool,
    /// The schedule may leave out ticks: its clock was stepped, or its server forgot it.
    pub(crate) gaps: bool,
    /// The rate and the limit of lanes hold.
    pub(crate) limits: bool,
}

impl Default for Expected {
    fn default() -> Self {
        Self { dead: BTreeSet::new(), each_once: false, gaps: false, limits: true }
    }
}

impl Expected {
    pub(crate) fn dead(job: JobId) -> Self {
        Self { dead: BTreeSet::from([job]), ..Self::default() }
    }
}

/// Checks everything, and tells all that does not hold.
pub(crate) async fn check(stage: &Stage, book: &Book, expected: &Expected) {
    let notes = stage.notes().clone();
    let mut audit = Audit { book, expected, notes: &notes, faults: Vec::new() };
    audit.nothing_lost();
    audit.order();
    audit.runs();
    audit.fences();
    audit.attempts();
    if expected.limits {
        audit.rate();
    }
    audit.ticks();
    audit.batches(stage).await;
    audit.rest(stage).await;
    let faults = audit.faults;
    assert!(faults.is_empty(), "seed {}: {} faults: {faults:#?}", book.seed, faults.len());
    let runs = notes.iter().filter(|note| matches!(note, Note::Started(..))).count();
    assert!(runs > 100, "seed {}: only {runs} runs: too few to tell anything", book.seed);
}

struct Audit<'a> {
    book: &'a Book,
    expected: &'a Expected,
    notes: &'a [Note],
    faults: Vec<String>,
}

/// The runs that go on, of one process after the other, in the order of the notes.
#[derive(Default)]
struct Floor<'a> {
    runs: HashMap<&'a Run, &'a Start>,
}

impl<'a> Floor<'a> {
    fn lanes(&self, lane: &str) -> usize {
        self.runs.values().filter(|start| start.lane.as_deref() == Some(lane)).count()
    }

    fn of_job(&self, job: JobId) -> Option<&'a Run> {
        self.runs.keys().find(|run| run.job == job).copied()
    }

    fn of_key(&self, key: &str) -> Option<&'a Run> {
        let found = self.runs.iter().find(|(_, start)| start.unique.as_deref() == Some(key));
        found.map(|(run, _)| *run)
    }
}

impl Audit<'_> {
    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    fn starts(&self) -> impl Iterator<Item = (usize, &Run, &Start)> {
        self.notes.iter().enumerate().filter_map(|(at, note)| match note {
            Note::Started(run, start) => Some((at, run, start)),
            _ => None,
        })
    }

    /// Each job that was acknowledged has been done, and has had its effect.
    fn nothing_lost(&mut self) {
        let mut done = HashSet::new();
        let mut applied = HashSet::new();
        for note in self.notes {
            match note {
                Note::Ended { run, done: true } => drop(done.insert(run.job)),
                Note::Applied(run) => drop(applied.insert(run.job)),
                _ => {}
            }
        }
        for job in &self.book.acknowledged {
            if self.book.doomed.contains(job) || self.expected.dead.contains(job) {
                continue;
            }
            if !done.contains(job) || !applied.contains(job) {
                self.faults.push(format!("{job} was acknowledged, and is not done"));
            }
        }
    }

    /// Of jobs that waited together, those of higher priority were leased first, until the fault.
    fn order(&mut self) {
        let Some(struck_at) = self.book.struck_at else { return };
        let mut tokens: HashMap<JobId, u64> = HashMap::new();
        for (_, run, _) in self.starts().filter(|(at, ..)| *at < struck_at) {
            tokens.entry(run.job).or_insert(run.token);
        }
        let priority = |(job, priority): &(JobId, u8)| Some((*tokens.get(job)?, *priority));
        let by_lease: BTreeMap<u64, u8> = self.book.ranked.iter().filter_map(priority).collect();
        if !by_lease.values().is_sorted_by(|first, second| first >= second) {
            self.fault(format!("leased in the order of priorities {:?}", by_lease.values()));
        }
    }

    /// No job runs twice at once, no two of one unique key do, and no lane has more than its limit: of runs whose
    /// leases nobody took away by force.
    fn runs(&mut self) {
        let mut floor = Floor::default();
        let mut seen = HashSet::new();
        let mut stepped_to = 0;
        for note in self.notes {
            match note {
                Note::Started(run, start) => {
                    if !seen.insert((run.job, run.token, &start.queue)) {
                        self.faults.push(format!("{run:?} is a second run with one token"));
                    }
                    if start.expires_at < stepped_to {
                        continue;
                    }
                    if let Some(other) = floor.of_job(run.job) {
                        self.faults.push(format!("{run:?} runs beside {other:?}"));
                    }
                    if let Some(key) = &start.unique
                        && let Some(other) = floor.of_key(key)
                    {
                        self.faults.push(format!("{run:?} of key {key} runs beside {other:?}"));
                    }
                    floor.runs.insert(run, start);
                    if let Some(lane) = &start.lane
                        && self.expected.limits
                        && floor.lanes(lane) > LANE_LIMIT as usize
                    {
                        self.faults.push(format!("{run:?} is one too many in lane {lane}"));
                    }
                }
                Note::Ended { run, .. } => drop(floor.runs.remove(run)),
                Note::LeasesLost { worker: None } => floor.runs.clear(),
                Note::ClockForward { to_ms } => {
                    stepped_to = *to_ms;
                    floor.runs.clear();
                }
                Note::LeasesLost { worker: Some(name) } => {
                    floor.runs.retain(|run, _| run.worker != *name);
                }
                _ => {}
            }
        }
        if !floor.runs.is_empty() {
            self.fault(format!("never ended: {:?}", floor.runs.keys()));
        }
    }

    /// An effect is refused only to runs that had lost their leases, and whoever lost his lease gets nothing more.
    fn fences(&mut self) {
        let mut lost: HashSet<&Run> = HashSet::new();
        let mut begun: Vec<&Run> = Vec::new();
        let mut stepped_to = 0;
        let mut newest: HashMap<JobId, u64> = HashMap::new();
        for note in self.notes {
            match note {
                Note::Started(run, start) => {
                    begun.push(run);
                    if start.expires_at < stepped_to {
                        lost.insert(run);
                    }
                }
                Note::ClockForward { to_ms } => {
                    stepped_to = *to_ms;
                    lost.extend(&begun);
                }
                Note::LeasesLost { worker } => {
                    let theirs =
                        |run: &&&Run| worker.as_ref().is_none_or(|name| run.worker == *name);
                    lost.extend(begun.iter().filter(theirs).copied());
                }
                Note::Refused(run) if !lost.contains(run) => {
                    self.faults
                        .push(format!("the effect of {run:?} was refused, though it held the job"));
                }
                Note::Applied(run) => {
                    let before = newest.insert(run.job, run.token);
                    if before.is_some_and(|before| before >= run.token) {
                        self.faults
                            .push(format!("the effect of {run:?} came after that of {before:?}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// No fault but one of the handler uses an attempt; and when nothing is to run again, nothing has.
    fn attempts(&mut self) {
        let mut runs: HashMap<JobId, u32> = HashMap::new();
        let starts: Vec<_> =
            self.starts().map(|(_, run, start)| (run.clone(), start.clone())).collect();
        for (run, start) in starts {
            *runs.entry(run.job).or_default() += 1;
            if start.attempt > 1 && start.kind != "panics" {
                self.fault(format!("{run:?} is attempt {}", start.attempt));
            }
            if start.crashes > 0 && self.expected.each_once {
                self.fault(format!("{run:?} follows a crash"));
            }
        }
        if self.expected.each_once {
            let twice: Vec<_> = runs.iter().filter(|(_, runs)| **runs > 1).collect();
            if !twice.is_empty() {
                self.fault(format!("run more than once: {twice:?}"));
            }
        }
    }

    /// Never more leases in any second than the rate allows, by the store's clock.
    fn rate(&mut self) {
        let laned = self.starts().filter(|(_, _, start)| start.queue == LANES);
        let mut leased: Vec<_> =
            laned.map(|(_, _, start)| start.expires_at - LEASE.as_millis() as u64).collect();
        leased.sort_unstable();
        let crowded = leased
            .windows(RATE as usize + 1)
            .find(|window| window[RATE as usize] - window[0] < 1_000);
        if let Some(window) = crowded {
            self.fault(format!("more than {RATE} leases in a second: {window:?}"));
        }
    }

    /// Each tick was enqueued once, and none was left out.
    fn ticks(&mut self) {
        let mut ticks: BTreeMap<u64, Vec<JobId>> = BTreeMap::new();
        let mut crashes: HashMap<JobId, u32> = HashMap::new();
        let starts: Vec<_> =
            self.starts().map(|(_, run, start)| (run.clone(), start.clone())).collect();
        for (run, start) in starts {
            let Some(tick) = &start.tick else { continue };
            let at = instant::parse(tick).unwrap().as_millis();
            let jobs = ticks.entry(at).or_default();
            if !jobs.contains(&run.job) {
                jobs.push(run.job);
            }
            // A further run that no lost lease explains is a further enqueue.
            if crashes.insert(run.job, start.crashes) == Some(start.crashes)
                && !self.was_given_back(&run)
            {
                self.fault(format!("tick {tick} was enqueued a second time"));
            }
        }
        for (tick, jobs) in &ticks {
            if jobs.len() > 1 {
                self.faults.push(format!("tick {tick} has the jobs {jobs:?}"));
            }
        }
        let times: Vec<_> = ticks.keys().collect();
        if times.len() < 2 {
            self.fault(format!("only {} ticks", times.len()));
        }
        let gap = times.windows(2).find(|pair| pair[1] - pair[0] != 1_000);
        if let Some(gap) = gap
            && !self.expected.gaps
        {
            self.fault(format!("no tick between {} and {}", gap[0], gap[1]));
        }
    }

    /// Whether an earlier run of the same job was dropped before its end.
    fn was_given_back(&self, later: &Run) -> bool {
        self.notes.iter().any(|note| {
            matches!(note, Note::Ended { run, done: false } if run.job == later.job && run != later)
        })
    }

    /// Each batch has ended, its counts add up, and its callback came once.
    async fn batches(&mut self, stage: &Stage) {
        let wholes: BTreeSet<_> = self
            .starts()
            .filter(|(_, _, start)| start.kind == "whole")
            .map(|(_, run, _)| run.job)
            .collect();
        let batches = self.book.batches.len();
        if !(batches..=batches + self.book.batches_forgotten).contains(&wholes.len()) {
            self.fault(format!("{batches} batches, but the callbacks {wholes:?}"));
        }
        for batch in &self.book.batches {
            let view = stage.backend.batch_view(batch).await.unwrap().unwrap();
            let counts = (view.total, view.done, view.failed, view.cancelled);
            if counts != (12, 11, 1, 0)
                || view.state != BatchState::Failed
                || view.ended_at.is_none()
            {
                self.fault(format!("{view:?}"));
            }
        }
    }

    /// Nothing is left but what is to be, in no count and in no list; and no unique key is held.
    async fn rest(&mut self, stage: &Stage) {
        let mut left: BTreeMap<JobState, BTreeSet<JobId>> = BTreeMap::new();
        for stats in stage.stats().await {
            for state in [
                JobState::Waiting,
                JobState::Scheduled,
                JobState::Ready,
                JobState::Leased,
                JobState::Completed,
                JobState::Cancelled,
                JobState::Dead,
            ] {
                let jobs = stage.backend.jobs(&stats.queue, state, 0, 10_000).await.unwrap();
                if jobs.len() as u64 != stats.count(state) {
                    self.fault(format!("{state:?}: {} in the list of {stats:?}", jobs.len()));
                }
                left.entry(state).or_default().extend(jobs.iter().map(|job| job.record.id));
            }
        }
        let dead: BTreeSet<_> = self.book.doomed.union(&self.expected.dead).copied().collect();
        for (state, jobs) in left {
            let wanted = match state {
                JobState::Scheduled => self.book.far.clone(),
                JobState::Dead => dead.clone(),
                _ => BTreeSet::new(),
            };
            if jobs != wanted {
                self.fault(format!("{state:?}: {jobs:?} in place of {wanted:?}"));
            }
        }
        for key in 0..4 {
            let unique = Only { key, ms: 0 }.unique_key().unwrap().unwrap();
            let holders = stage.backend.unique(&queue(MIX), unique).await.unwrap();
            if !holders.is_empty() {
                self.fault(format!("key {key} is held by {holders:?}"));
            }
        }
        let queues = stage.backend.queues().await.unwrap();
        let strange = queues.iter().find(|stats| !QUEUES.contains(&stats.queue.as_str()));
        if let Some(stats) = strange {
            self.fault(format!("a queue of nobody's: {stats:?}"));
        }
    }
}
