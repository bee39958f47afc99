//! All that a worker counts and measures. `docs/health.md` says the same for people, and is tested against
//! what is served.

use jobq_core::vitals::Measure;

// Counters.
pub(crate) const SETTLED: Measure = Measure::new(
    "jobq_jobs_settled_total",
    "Jobs leased and settled with the store, by what became of them",
);
pub(crate) const LEASED: Measure = Measure::new("jobq_jobs_leased_total", "Jobs leased");
pub(crate) const RECLAIMED: Measure = Measure::new(
    "jobq_jobs_reclaimed_total",
    "Jobs leased whose last lease had expired: its worker had died or was cut off",
);
pub(crate) const LEASES_LOST: Measure = Measure::new(
    "jobq_leases_lost_total",
    "Leases lost while their jobs ran, or before they were settled",
);
pub(crate) const LEASES_EXTENDED: Measure =
    Measure::new("jobq_leases_extended_total", "Leases extended because their jobs still ran");
pub(crate) const HANDLERS_STUCK: Measure =
    Measure::new("jobq_handlers_stuck_total", "Handlers that ignored the request to stop");
pub(crate) const BACKEND_ERRORS: Measure =
    Measure::new("jobq_backend_errors_total", "Calls to the store that failed");

// Histograms, in seconds.
pub(crate) const DURATION: Measure =
    Measure::new("jobq_job_duration_seconds", "From the start of a handler to its end");
pub(crate) const WAIT: Measure = Measure::new(
    "jobq_job_wait_seconds",
    "From the enqueue of a job to the start of its first attempt",
);

// Gauges.
pub(crate) const RUNNING: Measure =
    Measure::new("jobq_jobs_running", "Jobs that run in this process");
pub(crate) const CONCURRENCY: Measure =
    Measure::new("jobq_worker_concurrency", "Jobs that may run at once in this process");
