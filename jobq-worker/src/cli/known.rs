//! Whether a queue is one that there is, or more likely a typing error.

use jobq_core::QueueName;

use super::connect::Store;
use super::exit::Failure;
use super::{nearest, output};

/// How many queues are named where none is near.
const NAMED: usize = 10;

/// Refuses a queue that never had a job and is not paused. Commands ask when they have found nothing in it, so that
/// what is there costs no more.
pub(super) async fn check(store: &Store, queue: &QueueName) -> Result<(), Failure> {
    doubt(store, queue).await?.map_or(Ok(()), |doubt| Err(Failure::Usage(doubt)))
}

/// Says that a queue is not known, where that is possible: it may be set up before its first job.
pub(super) async fn warn(store: &Store, queue: &QueueName) -> Result<(), Failure> {
    if let Some(doubt) = doubt(store, queue).await? {
        output::complain(&format!("warning: {doubt}"));
    }
    Ok(())
}

/// What is told of a queue that is not known.
pub(super) async fn doubt(store: &Store, queue: &QueueName) -> Result<Option<String>, Failure> {
    let queues = store.inspect.queues().await?;
    if queues.iter().any(|known| known.queue == *queue) || store.inspect.queue(queue).await?.paused
    {
        return Ok(None);
    }
    let names: Vec<_> = queues.iter().map(|known| known.queue.as_str()).collect();
    Ok(Some(unknown(queue, &names)))
}

/// That a queue is not among these.
pub(super) fn unknown(queue: &QueueName, names: &[&str]) -> String {
    let hint = match nearest::hint(queue.as_str(), names) {
        _ if names.is_empty() => "no queue had one yet".to_owned(),
        hint if names.len() > NAMED && !hint.starts_with("did you mean") => {
            format!("there are {} others", names.len())
        }
        hint => hint,
    };
    format!("queue {:?} never had a job: {hint}", queue.as_str())
}

#[cfg(test)]
mod tests {
    use jobq_core::{Inspect, Job, MemoryBackend, Queue};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Job)]
    struct Hello;

    fn name(text: &str) -> QueueName {
        QueueName::new(text).unwrap()
    }

    #[tokio::test]
    async fn a_queue_is_known_by_its_jobs_or_by_being_paused() {
        let memory = MemoryBackend::new();
        let store = Store::of(memory.clone());
        let refused = |why: &str| Err(Failure::Usage(why.to_owned()));
        assert_eq!(
            check(&store, &name("mail")).await,
            refused("queue \"mail\" never had a job: no queue had one yet")
        );

        memory.enqueue(Hello).on("mail").await.unwrap();
        memory.pause(&name("new")).await.unwrap();

        assert_eq!(check(&store, &name("mail")).await, Ok(()));
        assert_eq!(check(&store, &name("new")).await, Ok(()));
        assert_eq!(
            check(&store, &name("mial")).await,
            refused("queue \"mial\" never had a job: did you mean \"mail\"?")
        );
    }

    #[test]
    fn many_queues_are_not_all_named() {
        let names: Vec<_> = (0..11).map(|n| format!("shop-number-{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(
            unknown(&name("mail"), &names),
            "queue \"mail\" never had a job: there are 11 others"
        );
        assert!(
            unknown(&name("shop-number-x"), &names).ends_with("did you mean \"shop-number-0\"?")
        );
        assert!(
            unknown(&name("mail"), &names[..2]).ends_with("there are shop-number-0, shop-number-1")
        );
    }
}
