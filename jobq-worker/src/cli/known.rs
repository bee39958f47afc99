//! Whether a queue is one that there is, or more likely a typing error.

use std::collections::BTreeSet;

use jobq_core::QueueName;
use jobq_core::inspect::QueueStats;

use super::connect::Store;
use super::exit::Failure;
use super::units::QueueSpec;
use super::{nearest, output};

/// How many queues are named where none is near.
const NAMED: usize = 10;

/// Refuses a queue that never had a job or a worker and is not paused. Commands ask when they have found nothing in it,
/// so that what is there costs no more.
pub(super) async fn check(store: &Store, queue: &QueueName) -> Result<(), Failure> {
    check_each(store, [queue]).await
}

/// Refuses the first of these queues that is not known. Nobody is asked if there are none.
pub(super) async fn check_each<'a>(
    store: &Store,
    queues: impl IntoIterator<Item = &'a QueueName>,
) -> Result<(), Failure> {
    match doubts(store, queues).await?.into_iter().next() {
        Some((_, doubt)) => Err(Failure::Usage(doubt)),
        None => Ok(()),
    }
}

/// What is told of a queue that is not known, where that is possible: it may be set up before its first job.
pub(super) async fn doubt(store: &Store, queue: &QueueName) -> Result<Option<String>, Failure> {
    if output::is_quiet() {
        return Ok(None);
    }
    Ok(doubts(store, [queue]).await?.pop().map(|(_, doubt)| doubt))
}

/// Tells of queues that are there and cannot be counted, and so are not among these; whether there are any.
pub(super) async fn tell_uncounted(store: &Store, counted: &[QueueStats]) -> Result<bool, Failure> {
    let counted: BTreeSet<_> = counted.iter().map(|stats| &stats.queue).collect();
    let mut any = false;
    for name in store.inspect.queue_names().await? {
        if !counted.contains(&name)
            && let Err(error) = store.inspect.queue(&name).await
        {
            output::complain(&error.to_string());
            any = true;
        }
    }
    Ok(any)
}

/// What a worker is to be told of its queues: which of them are not known. It serves them all the same, for a deployment
/// may start its workers before the first job.
pub(super) async fn warnings(store: &Store, specs: &[QueueSpec]) -> Result<Vec<String>, Failure> {
    let names = specs.iter().map(|spec| QueueName::new(&spec.name));
    let queues = names.collect::<Result<Vec<_>, _>>()?;
    let doubts = doubts(store, &queues).await?.into_iter();
    Ok(doubts.map(|(queue, doubt)| as_weight(queue, &queues).unwrap_or(doubt)).collect())
}

/// What was meant by a number among queues: the weight of the one before it, as elsewhere.
fn as_weight(queue: &QueueName, queues: &[QueueName]) -> Option<String> {
    let at = queues.iter().position(|other| other == queue)?;
    let (number, before) = (queue.as_str(), queues.get(at.checked_sub(1)?)?);
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| {
        format!(
            "{number:?} is taken for a queue, and it never had a job: for the weight of queue {before} \
             write {before}={number}"
        )
    })
}

/// Those of these queues that are not known, each once, and what to say of them.
async fn doubts<'a>(
    store: &Store,
    queues: impl IntoIterator<Item = &'a QueueName>,
) -> Result<Vec<(&'a QueueName, String)>, Failure> {
    let queues: BTreeSet<_> = queues.into_iter().collect();
    let mut doubts = Vec::new();
    if queues.is_empty() {
        return Ok(doubts);
    }
    let known = store.inspect.queue_names().await?;
    let names: Vec<_> = known.iter().map(QueueName::as_str).collect();
    for queue in queues {
        if !known.contains(queue) && !store.inspect.queue(queue).await?.paused {
            doubts.push((queue, unknown(queue, &names)));
        }
    }
    Ok(doubts)
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

    #[tokio::test]
    async fn a_worker_is_told_of_queues_that_nobody_knows() {
        let memory = MemoryBackend::new();
        memory.enqueue(Hello).on("critical").await.unwrap();
        let store = Store::of(memory);
        let told = async |line: &str| {
            let specs = line.split(',').map(crate::cli::units::queue_spec);
            warnings(&store, &specs.collect::<Result<Vec<_>, _>>().unwrap()).await.unwrap()
        };

        assert_eq!(told("critical=3").await, [""; 0]);
        assert_eq!(
            told("critical,2,critcal").await,
            [
                "\"2\" is taken for a queue, and it never had a job: for the weight of queue \
                 critical write critical=2",
                "queue \"critcal\" never had a job: did you mean \"critical\"?",
            ]
        );
        assert!(told("2").await[0].starts_with("queue \"2\" never had a job"));
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
