//! Who may ask how a process is: probes and Prometheus by `--listen`, and systemd.

use clap::Args;
use jobq_core::Vitals;

use super::config::Config;
use super::connect::Store;
use super::exit::Failure;
use crate::health::{Health, Listener, Systemd};
use crate::worker::Worker;

/// Where to listen, as every command takes it that runs until it is told to end.
#[derive(Args, Clone, Debug)]
pub(super) struct ListenArgs {
    /// Serve /livez, /readyz and /metrics at this address; a port alone is for this machine alone. By default
    /// what `listen` in jobq.toml says, or nowhere; with --once or --stop-when-empty nowhere.
    #[arg(long, value_name = "[HOST:]PORT", env = "JOBQ_LISTEN")]
    listen: Option<String>,
}

/// The health of this process, served and told for as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    health: Health,
    listener: Option<Listener>,
    _systemd: Systemd,
}

impl ListenArgs {
    /// Begins to listen, if it is asked for, and to tell systemd, if it is there. A short run leaves the address of the
    /// file to the process that runs all the time.
    pub(super) fn open(
        &self,
        config: &Config,
        store: &Store,
        is_short: bool,
    ) -> Result<Watched, Failure> {
        let health = Health::looking(store.backend.detached(), store.inspect.inspect_detached());
        let of_file = config.listen.as_ref().filter(|_| !is_short);
        let asked = self.listen.as_ref().map(|address| (address, "--listen or JOBQ_LISTEN"));
        let asked = asked.or_else(|| of_file.map(|set| (&set.value, &*set.place)));
        let listener = match asked.filter(|(address, _)| !address.trim().is_empty()) {
            Some((address, place)) => {
                Some(health.listen(address).map_err(|fault| match Failure::from(fault) {
                    Failure::Usage(why) => Failure::Usage(format!("{why} (from {place})")),
                    Failure::Failed(why) => Failure::Failed(format!("{why} (from {place})")),
                    told @ Failure::Told => told,
                })?)
            }
            None => None,
        };
        Ok(Watched { _systemd: health.tell_systemd(), health, listener })
    }
}

impl Watched {
    /// Adds a worker, which counts only if somebody can ask.
    pub(super) fn worker(&self, worker: Worker) -> Worker {
        if self.listener.is_some() {
            return worker.health(&self.health);
        }
        self.part(&worker.vitals());
        worker
    }

    /// Adds another part that runs in this process, such as a scheduler: `watched.part(&scheduler.vitals())`.
    pub(super) fn part(&self, part: &Vitals) {
        self.health.watch(part);
    }
}
