//! What goes wrong during the soak, by chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jobq_core::{Inspect, QueueName};
use jobq_redis::{FaultProxy, RedisBackend, TestServer};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::crew::{Order, Post, Role};
use super::job::{LANES, PLAIN};
use crate::AnyResult;

/// The server gets that long to live.
const SERVER_LIVES: Duration = Duration::from_secs(25);

/// How often each thing was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) server_kills: AtomicU64,
    pub(crate) freezes: AtomicU64,
    pub(crate) delays: AtomicU64,
    pub(crate) cuts: AtomicU64,
    pub(crate) pauses: AtomicU64,
}

pub(crate) struct Faults {
    pub(crate) server: Arc<Mutex<TestServer>>,
    pub(crate) posts: Arc<Vec<Post>>,
    pub(crate) producer_links: Arc<Vec<FaultProxy>>,
    /// By a link that works.
    pub(crate) store: RedisBackend,
    pub(crate) chance: fastrand::Rng,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) done: Arc<Done>,
    /// Those that end a fault after a while.
    pub(crate) amends: JoinSet<()>,
}

impl Faults {
    pub(crate) async fn run(mut self) -> AnyResult {
        let mut server_killed = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(self.ms(500..5_000)).await;
            match self.chance.u32(..100) {
                0..25 => self.order_one(|_| Order::Kill),
                25..40 => self.order_one(|chance| {
                    Order::Stop(Duration::from_millis(chance.u64(500..25_000)))
                }),
                40..50 => self.order_one(|_| Order::Terminate),
                50..65 => self.freeze().await,
                65..75 => self.delay().await,
                75..87 => self.cut(),
                87..93 => self.pause().await,
                _ if server_killed.elapsed() < SERVER_LIVES => {}
                _ => {
                    self.kill_server().await?;
                    server_killed = Instant::now();
                }
            }
        }
        self.amends.shutdown().await;
        for link in self.links() {
            link.thaw();
            link.delay(Duration::ZERO);
        }
        Ok(())
    }

    fn ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.chance.u64(range))
    }

    fn links(&self) -> impl Iterator<Item = &FaultProxy> {
        self.posts.iter().map(|post| &post.link).chain(self.producer_links.iter())
    }

    fn order_one(&mut self, order: impl FnOnce(&mut fastrand::Rng) -> Order) {
        let post = &self.posts[self.chance.usize(..self.posts.len())];
        let order = order(&mut self.chance);
        // The steady worker lives; it may be frozen.
        if post.role != Role::Steady || matches!(order, Order::Stop(_)) {
            post.order(order);
        }
    }

    async fn freeze(&mut self) {
        self.done.freezes.fetch_add(1, Ordering::Relaxed);
        let (time, nth) = (self.ms(500..20_000), self.any_link());
        if let Some(link) = self.links().nth(nth) {
            link.freeze();
        }
        // Other things go wrong meanwhile.
        let (posts, links) = (Arc::clone(&self.posts), Arc::clone(&self.producer_links));
        self.amends.spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(link) = posts.iter().map(|post| &post.link).chain(links.iter()).nth(nth) {
                link.thaw();
            }
        });
    }

    fn any_link(&mut self) -> usize {
        let count = self.links().count();
        self.chance.usize(..count)
    }

    async fn delay(&mut self) {
        self.done.delays.fetch_add(1, Ordering::Relaxed);
        let (delay, time, nth) = (self.ms(20..400), self.ms(1_000..8_000), self.any_link());
        if let Some(link) = self.links().nth(nth) {
            link.delay(delay);
            tokio::time::sleep(time).await;
            link.delay(Duration::ZERO);
        }
    }

    fn cut(&mut self) {
        self.done.cuts.fetch_add(1, Ordering::Relaxed);
        let nth = self.any_link();
        if let Some(link) = self.links().nth(nth) {
            link.cut();
        }
    }

    /// An operator pauses a queue for a moment.
    async fn pause(&mut self) {
        self.done.pauses.fetch_add(1, Ordering::Relaxed);
        let name = if self.chance.bool() { PLAIN } else { LANES };
        let (Ok(queue), time) = (QueueName::new(name), self.ms(100..4_000)) else { return };
        if self.store.pause(&queue).await.is_err() {
            return;
        }
        tokio::time::sleep(time).await;
        while self.store.resume(&queue).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// With its file written before each answer, a server that is killed has forgotten nothing.
    async fn kill_server(&mut self) -> AnyResult {
        self.done.server_kills.fetch_add(1, Ordering::Relaxed);
        let pause = self.ms(0..4_000);
        self.server.lock().await.kill();
        tokio::time::sleep(pause).await;
        let mut server = Arc::clone(&self.server).lock_owned().await;
        tokio::task::spawn_blocking(move || server.restart()).await??;
        Ok(())
    }
}
