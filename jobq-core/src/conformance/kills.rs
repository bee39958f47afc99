//! Limits while workers are killed: five minutes, three lanes, four workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Scene;
use super::scene::{LEASE, SECOND, lane_of};
use crate::clock::Timestamp;
use crate::id::WorkerId;
use crate::lease::{Lease, LeaseRequest, Next, Settlement};
use crate::limits::Limits;

const LANES: [&str; 3] = ["1", "2", "3"];
const WORKERS: usize = 4;
const MINUTE_MS: u64 = 60_000;
const MINUTES: u64 = 5;
const RATE: u64 = 100;
/// More than the limit lets through, with what runs again after a kill.
const JOBS: usize = 640;

/// No minute has more leases of a lane than its rate, and each has all of them.
pub async fn a_fixed_rate_holds_while_workers_are_killed(t: &Scene) {
    let starts = five_minutes(t, "100/min").await;
    for (lane, starts) in starts {
        let mut windows = BTreeMap::new();
        for at in starts {
            *windows.entry(at.as_millis() / MINUTE_MS).or_insert(0_u64) += 1;
        }
        assert_eq!(windows.len() as u64, MINUTES, "lane {lane}");
        assert!(windows.values().all(|count| *count == RATE), "lane {lane}: {windows:?}");
    }
}

/// No period at all has more leases of a lane than its rate, and nothing is given away.
pub async fn a_sliding_rate_holds_while_workers_are_killed(t: &Scene) {
    let starts = five_minutes(t, "100/min sliding").await;
    let rate = usize::try_from(RATE).unwrap();
    for (lane, starts) in starts {
        let most_in_a_period = starts
            .windows(rate + 1)
            .find(|some| some[rate].as_millis() - some[0].as_millis() < MINUTE_MS);
        assert_eq!(most_in_a_period, None, "lane {lane}");
        assert_eq!(starts.len() as u64, RATE * MINUTES, "lane {lane}");
    }
}

/// No more jobs of a lane are held at any time than its limit, whoever dies with how many; at the end none.
pub async fn slots_are_neither_leaked_nor_doubled_by_kills(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(5)).await;
    let mut crew = Crew::new();
    for lane in LANES {
        t.fill(lane, 60).await;
    }
    for _ in 0..400 {
        crew.second(t).await;
        for lane in LANES {
            let view = t.lane(lane).await;
            assert!(view.leased <= 5, "seed {}: lane {lane} has {}", crew.seed, view.leased);
        }
        if t.stats().await.ready + t.stats().await.leased == 0 {
            break;
        }
    }
    for lane in LANES {
        assert_eq!(t.lane(lane).await.leased, 0, "seed {}", crew.seed);
    }
}

/// When the jobs of each lane were leased, in order.
async fn five_minutes(t: &Scene, rate: &str) -> BTreeMap<String, Vec<Timestamp>> {
    t.limit_lanes(Limits::new().rate(rate.parse().unwrap())).await;
    for lane in LANES {
        t.fill(lane, JOBS).await;
    }
    let mut crew = Crew::new();
    for _ in 0..60 * MINUTES {
        crew.second(t).await;
    }
    crew.starts
}

/// Workers that lease, work for a while, and are killed now and then.
struct Crew {
    seed: u64,
    chance: fastrand::Rng,
    held: Vec<Vec<Arc<Lease>>>,
    ids: Vec<WorkerId>,
    starts: BTreeMap<String, Vec<Timestamp>>,
}

impl Crew {
    fn new() -> Self {
        let seed = fastrand::u64(..1 << 32);
        eprintln!("seed {seed}");
        Self {
            seed,
            chance: fastrand::Rng::with_seed(seed),
            held: vec![Vec::new(); WORKERS],
            ids: (0..WORKERS).map(|_| WorkerId::generate()).collect(),
            starts: BTreeMap::new(),
        }
    }

    /// Each worker is killed, settles some of what it runs, or goes on; then it leases.
    async fn second(&mut self, t: &Scene) {
        for n in 0..WORKERS {
            let mut done = Vec::new();
            if self.chance.u8(..100) < 4 {
                // Another one takes its place; what it ran is given back when its leases have expired.
                self.held[n].clear();
                self.ids[n] = WorkerId::generate();
            } else {
                let chance = &mut self.chance;
                let (over, running) =
                    self.held[n].drain(..).partition::<Vec<_>, _>(|_| chance.u8(..100) < 40);
                self.held[n] = running;
                done = over;
            }
            let next = |lease| Settlement::new(lease, Next::Complete { result: None });
            let settlements: Vec<_> = done.into_iter().map(next).collect();
            let request = LeaseRequest::new(self.ids[n], 150 - self.held[n].len(), LEASE);
            let exchange = t.store().exchange(t.queue(), &settlements, Some(request));
            for lease in exchange.await.unwrap().leases {
                self.starts.entry(lane_of(&lease)).or_default().push(t.now());
                self.held[n].push(lease);
            }
        }
        self.extend(t).await;
        t.advance(SECOND);
    }

    /// Those that live keep their leases.
    async fn extend(&self, t: &Scene) {
        for held in &self.held {
            let leases: Vec<_> = held.iter().map(|lease| lease.proof()).collect();
            if !leases.is_empty() {
                t.store().extend(t.queue(), &leases, LEASE).await.unwrap();
            }
        }
    }
}
