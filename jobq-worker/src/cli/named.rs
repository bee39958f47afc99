//! How people name jobs and batches: by their ids, or together with their queues.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use std::str::FromStr;

use jobq_core::{Error, JobId, QueueName};

use super::connect::Store;
use super::exit::Failure;
use super::known;
use super::units::queue_name;

/// A job or a batch by its id, or together with its queue, as it is shown:
/// `crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Named<Id> {
    pub(super) queue: Option<QueueName>,
    pub(super) id: Id,
}

impl<Id: FromStr<Err = Error>> FromStr for Named<Id> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (queue, id) = match text.split_once('/') {
            Some((queue, id)) => (Some(queue.parse()?), id),
            None => (None, text),
        };
        Ok(Self { queue, id: id.parse()? })
    }
}

impl<Id: Display> Named<Id> {
    /// The queue that it is in, as its name says or else a flag; `None` if neither does.
    ///
    /// # Errors
    ///
    /// When they say different ones.
    pub(super) fn within<'a>(
        &'a self,
        only: Option<&'a QueueName>,
    ) -> Result<Option<&'a QueueName>, Failure> {
        match (&self.queue, only) {
            (Some(queue), Some(only)) if queue != only => Err(Failure::Usage(format!(
                "{queue}/{} is in queue {queue}, and --queue says {only}: give one of them",
                self.id
            ))),
            (Some(queue), _) => Ok(Some(queue)),
            (None, only) => Ok(only),
        }
    }
}

/// Each of them once: what is named twice is done once, and is no failure the second time.
pub(super) fn each_once<T: Eq + Hash>(named: &[T]) -> Vec<&T> {
    let mut seen = HashSet::new();
    named.iter().filter(|one| seen.insert(*one)).collect()
}

/// The one job that a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct OneJob {
    /// The job, by its id or as `QUEUE/ID`.
    #[arg(value_name = "ID")]
    pub(super) job: Named<JobId>,
    /// Its queue; found by looking into each if not given.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    pub(super) queue: Option<QueueName>,
}

impl OneJob {
    /// Refuses two queues for one job.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.job.within(self.queue.as_ref()).map(drop)
    }

    /// Why nothing is known of it: perhaps the queue is misspelt.
    pub(super) async fn absent(&self, store: &Store) -> Failure {
        let queue = self.job.queue.as_ref().or(self.queue.as_ref());
        match known::check_each(store, queue).await {
            Ok(()) => Failure::unknown_job(self.job.id),
            Err(unknown) => unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_meant_once() {
        assert_eq!(each_once(&["b", "a", "b", "a", "c"]), [&"b", &"a", &"c"]);
    }

    #[test]
    fn one_job_has_one_queue() {
        let id = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e";
        let (crm, mail) = (QueueName::new("crm").unwrap(), QueueName::new("mail").unwrap());
        let named: Named<JobId> = format!("crm/{id}").parse().unwrap();
        let bare: Named<JobId> = id.parse().unwrap();

        assert_eq!(named.within(None), Ok(Some(&crm)));
        assert_eq!(named.within(Some(&crm)), Ok(Some(&crm)));
        assert_eq!(bare.within(Some(&mail)), Ok(Some(&mail)));
        assert_eq!(bare.within(None), Ok(None));
        let told = format!("crm/{id} is in queue crm, and --queue says mail: give one of them");
        assert_eq!(named.within(Some(&mail)), Err(Failure::Usage(told)));
    }
}
