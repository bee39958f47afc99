//! The gauges of parts and of the store, which nobody counts: they are looked up when asked for.

use jobq_core::vitals::Measure;

pub(super) const PART_UP: Measure =
    Measure::new("jobq_part_ready", "Whether a worker or scheduler of this process is ready");
pub(super) const PART_SILENT: Measure = Measure::new(
    "jobq_part_silent_seconds",
    "For how long the loop of a worker or scheduler has not turned",
);
pub(super) const STORE_UP: Measure =
    Measure::new("jobq_store_up", "Whether the store has answered; without it no queue is shown");
pub(super) const UNCOUNTED: Measure = Measure::new(
    "jobq_queues_uncounted",
    "Queues that are not shown because what is stored of them cannot be understood",
);
pub(super) const WORKERS: Measure =
    Measure::new("jobq_queue_workers", "Workers that live and lease from the queue");
pub(super) const READY: Measure = Measure::new("jobq_queue_ready", "Jobs that wait for a worker");
pub(super) const OLDEST_READY: Measure = Measure::new(
    "jobq_queue_oldest_ready_seconds",
    "How long ago the job was enqueued that was so first of those that are ready",
);
pub(super) const SCHEDULED: Measure =
    Measure::new("jobq_queue_scheduled", "Jobs that wait for their time, retries among them");
pub(super) const WAITING: Measure =
    Measure::new("jobq_queue_waiting", "Jobs that wait for other jobs");
pub(super) const LEASED: Measure =
    Measure::new("jobq_queue_leased", "Jobs that run in all processes together");
pub(super) const LEASED_LIMIT: Measure = Measure::new(
    "jobq_queue_leased_limit",
    "Jobs of the queue that may run at once in all processes; absent without such a limit",
);
pub(super) const LANE_LIMIT: Measure = Measure::new(
    "jobq_queue_lane_leased_limit",
    "Jobs of each lane that may run at once in all processes; absent without such a limit",
);
pub(super) const DEAD: Measure = Measure::new("jobq_queue_dead", "Jobs put aside for people");
pub(super) const KEPT: Measure =
    Measure::new("jobq_queue_kept", "Completed and cancelled jobs that are kept");
pub(super) const PAUSED: Measure = Measure::new("jobq_queue_paused", "Whether the queue is paused");
pub(super) const LIMITED_LANES: Measure = Measure::new(
    "jobq_queue_limited_lanes",
    "Lanes with a limit of their own on running jobs, 50 at most",
);
pub(super) const LIMITED_FULL: Measure = Measure::new(
    "jobq_queue_limited_lanes_full",
    "Those of these lanes in which as many jobs run as may",
);
pub(super) const LIMITED_LEASED: Measure =
    Measure::new("jobq_queue_limited_lanes_leased", "Jobs that run in these lanes");
pub(super) const LIMITED_LIMIT: Measure =
    Measure::new("jobq_queue_limited_lanes_leased_limit", "Jobs that may run in them at once");
