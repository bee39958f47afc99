//! What a lane with a million jobs does to a thousand lanes with ten.

use std::collections::HashMap;
use std::time::Duration;

use jobq_core::{Backend, LaneKey, LeaseRequest, Next, Queue, QueueName, Settlement, WorkerId};

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const CROWD: u64 = 1_000_000;
const SMALL_LANES: u64 = 1_000;
const JOBS_OF_EACH: u64 = 10;
/// How many jobs run at once.
const AT_ONCE: usize = 100;
const LEASE: Duration = Duration::from_secs(600);

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let name = QueueName::new(QUEUE)?;
    queue.enqueue_all((0..CROWD).map(Noop::new)).lane(LaneKey::new("crowd")?).await?;
    for lane in 0..SMALL_LANES {
        let jobs = (0..JOBS_OF_EACH).map(Noop::new);
        queue.enqueue_all(jobs).lane(LaneKey::new(lane)?).await?;
    }

    // How many jobs of each small lane were leased so far, and when: a round is one turn of every lane.
    let (mut leased, mut turns, mut latest) = (HashMap::<String, u64>::new(), 0, 0.0_f64);
    let mut of_crowd = 0_u64;
    let mut settlements = Vec::new();
    while turns - of_crowd < SMALL_LANES * JOBS_OF_EACH {
        let request = LeaseRequest::new(WorkerId::generate(), AT_ONCE, LEASE);
        let exchanged = queue.exchange(&name, &settlements, Some(request)).await?;
        if exchanged.leases.is_empty() {
            return Err("small lanes have fewer jobs than were enqueued".into());
        }
        for lease in &exchanged.leases {
            let lane = lease.job.lane.as_ref().ok_or("a job without its lane")?.to_string();
            let round = turns as f64 / (SMALL_LANES + 1) as f64;
            turns += 1;
            if lane == "crowd" {
                of_crowd += 1;
                continue;
            }
            let place = leased.entry(lane).or_default();
            latest = latest.max(round - *place as f64);
            *place += 1;
        }
        let completed = Next::Complete { result: None };
        settlements = exchanged
            .leases
            .into_iter()
            .map(|lease| Settlement::new(lease, completed.clone()))
            .collect();
    }

    let mut figures = Figures::of("crowd");
    // The tenth job of a lane is due in the tenth round.
    figures.add("latest", latest, "rounds after its own", Bar::AtMost(2.0));
    let rounds = turns as f64 / (SMALL_LANES + 1) as f64;
    figures.add("small-lanes-done-after", rounds, "rounds", Bar::AtMost(12.0));
    figures.add("share-of-the-crowd", of_crowd as f64 / turns as f64, "of all jobs", Bar::None);
    Ok(figures.done())
}
