//! The load under which faults strike: something of everything, and a producer that goes on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::{Backend, BatchRef, JobId, NewJob, Queue};
use jobq_redis::RedisBackend;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::jobs::{Laned, MIX, Only, Part, Small, Whole};
use crate::stage::Stage;

const LANES: u32 = 3;
const KEYS: u32 = 4;

/// How often the producer enqueues a job.
const EVERY: Duration = Duration::from_millis(40);

/// The load, with its producer.
pub(crate) struct Mix {
    book: Arc<Mutex<Book>>,
    stop: watch::Sender<bool>,
    producer: JoinHandle<()>,
}

/// What the producing side knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) seed: u64,
    /// Jobs of which the store has said that it has them, and that are due.
    pub(crate) acknowledged: BTreeSet<JobId>,
    /// Those that are not due while a test lasts.
    pub(crate) far: BTreeSet<JobId>,
    /// Those that fail for good.
    pub(crate) doomed: BTreeSet<JobId>,
    pub(crate) batches: Vec<BatchRef>,
    /// How many batches a server has taken along, with or without their callbacks.
    pub(crate) batches_forgotten: usize,
    /// Jobs with their priorities that were all enqueued before a worker started.
    pub(crate) ranked: Vec<(JobId, u8)>,
    /// How many notes there were when the fault struck: what is told of order holds for those before.
    pub(crate) struck_at: Option<usize>,
    /// What enqueueing was answered while the fault lasted.
    pub(crate) refusals: Vec<String>,
}

impl Mix {
    /// Enqueues the first of everything, and starts the producer. `FAULTS_SEED` repeats a run's choices.
    pub(crate) async fn begin(stage: &Stage) -> Self {
        let seed = std::env::var("FAULTS_SEED")
            .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        eprintln!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut book = Book { seed, ..Book::default() };
        let store = &stage.backend;
        for _ in 0..60 {
            let priority = random.u8(0..=15);
            let id = store
                .enqueue(Small { ms: random.u64(0..60) })
                .priority(priority)
                .await
                .unwrap()
                .id();
            book.ranked.push((id, priority));
            book.acknowledged.insert(id);
        }
        for number in 0..18 {
            let job = Laned { lane: number % LANES, ms: random.u64(20..200) };
            book.acknowledged.insert(store.enqueue(job).await.unwrap().id());
        }
        for _ in 0..3 {
            let job = store.enqueue(Small { ms: 0 }).after(Duration::from_secs(7 * 86_400));
            book.far.insert(job.await.unwrap().id());
        }
        let book = Arc::new(Mutex::new(book));
        let (stop, stopped) = watch::channel(false);
        let mix = Self {
            producer: tokio::spawn(produce(store.clone(), Arc::clone(&book), random, stopped)),
            book,
            stop,
        };
        mix.open_batch(store).await;
        mix
    }

    /// Opens a batch of jobs of which one fails, and closes it.
    pub(crate) async fn open_batch(&self, store: &RedisBackend) {
        let batch = store.batch("parts").on(MIX).on_complete(Whole).open().await.unwrap();
        let mut parts: Vec<_> =
            (0..11).map(|number| Part { ms: 40 * number, fails: false }).collect();
        parts.push(Part { ms: 0, fails: true });
        for part in parts {
            let fails = part.fails;
            let id = batch.enqueue(part).await.unwrap().id();
            let mut book = self.book.lock().unwrap();
            book.acknowledged.insert(id);
            if fails {
                book.doomed.insert(id);
            }
        }
        batch.close().await.unwrap();
        self.book.lock().unwrap().batches.push(batch.reference().clone());
    }

    /// A job that the test itself has enqueued, and that must be done.
    pub(crate) fn owe(&self, job: JobId) {
        self.book.lock().unwrap().acknowledged.insert(job);
    }

    /// The fault strikes now.
    pub(crate) fn strike(&self, stage: &Stage) {
        self.book.lock().unwrap().struck_at = Some(stage.notes().len());
    }

    /// All that was acknowledged is gone, with the server that had it.
    pub(crate) fn forget(&self) {
        let mut book = self.book.lock().unwrap();
        let (seed, struck_at) = (book.seed, book.struck_at);
        let batches_forgotten = book.batches.len();
        *book = Book { seed, struck_at, batches_forgotten, ..Book::default() };
    }

    /// What enqueueing was answered so far that was no success.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.book.lock().unwrap().refusals.clone()
    }

    /// How many jobs have been acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.book.lock().unwrap().acknowledged.len()
    }

    /// Ends the producer.
    pub(crate) async fn stop(self) -> Book {
        self.stop.send(true).unwrap();
        self.producer.await.unwrap();
        self.book.lock().unwrap().clone()
    }
}

async fn produce(
    store: RedisBackend,
    book: Arc<Mutex<Book>>,
    mut random: fastrand::Rng,
    stopped: watch::Receiver<bool>,
) {
    while !*stopped.borrow() {
        let job = choose(&store, &mut random);
        let forgotten = || book.lock().unwrap().batches_forgotten;
        let forgotten_before = forgotten();
        // The same job under the same id until the store says that it has it; another one at another store.
        while !*stopped.borrow() && forgotten() == forgotten_before {
            match store.enqueue_jobs(std::slice::from_ref(&job)).await {
                Ok(answers) => {
                    let mut book = book.lock().unwrap();
                    // The answer for another with its unique key is not its own; and one that was on its way when
                    // the server went is of a job that went with it.
                    if answers[0].id() == job.record.id
                        && book.batches_forgotten == forgotten_before
                    {
                        book.acknowledged.insert(job.record.id);
                    }
                    break;
                }
                Err(error) => book.lock().unwrap().refusals.push(error.to_string()),
            }
            tokio::time::sleep(EVERY).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn choose(store: &RedisBackend, random: &mut fastrand::Rng) -> NewJob {
    let ms = random.u64(0..100);
    let job = match random.u8(0..5) {
        0 => store.enqueue(Laned { lane: random.u32(0..LANES), ms }).build(),
        1 => store.enqueue(Only { key: random.u32(0..KEYS), ms: ms + 50 }).build(),
        _ => store.enqueue(Small { ms }).priority(random.u8(0..=15)).build(),
    };
    job.unwrap()
}
