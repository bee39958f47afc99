//! What queues tell each other has bounds in size, and none in length.

use super::*;

/// A long result that many wait for is kept once, and goes with the last of them.
#[tokio::test]
async fn a_long_result_is_kept_once_for_all_children() {
    let server = TestServer::start().unwrap();
    let backend = apart(&server, 0).await;
    let parent = job("home");
    backend.enqueue_jobs(std::slice::from_ref(&parent)).await.unwrap();
    let children: Vec<_> = (0..100)
        .map(|_| {
            let mut child = after(&parent, "away");
            child.record.retention = None;
            child
        })
        .collect();
    backend.enqueue_jobs(&children).await.unwrap();
    let lease = &lease_all(&backend, "home").await[0];
    let result = vec![7; 100_000];
    let settlement =
        Settlement::new(Arc::clone(lease), Next::Complete { result: Some(result.clone()) });
    backend.exchange(&queue("home"), &[settlement], None).await.unwrap();

    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut usage = async || -> Option<u64> {
        redis::cmd("MEMORY")
            .arg(&["USAGE", "{p0:away}:parents", "SAMPLES", "0"])
            .query_async(&mut connection)
            .await
            .unwrap()
    };
    let used = usage().await.unwrap();
    assert!((100_000..300_000).contains(&used), "{used} bytes");
    for child in &children {
        let told = backend.parents(&queue("away"), child.record.id).await.unwrap();
        assert_eq!(told[0].result.as_ref(), Some(&result));
    }
    let leases = lease_all(&backend, "away").await;
    let settlements: Vec<_> = leases.iter().map(done).collect();
    backend.exchange(&queue("away"), &settlements, None).await.unwrap();
    assert_eq!(usage().await, None);
}

/// A full server takes no new jobs, and tells of the end of those it has.
#[tokio::test]
async fn a_full_server_is_drained_with_its_batches_and_children() {
    let server =
        TestServer::start_with(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"])
            .unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    let new = telling_batch("home");
    backend.open_batch(&new).await.unwrap();
    let first = member("away", &new.batch);
    let child = after(&first, "home");
    backend.enqueue_jobs(std::slice::from_ref(&first)).await.unwrap();
    backend.enqueue_jobs(std::slice::from_ref(&child)).await.unwrap();
    let mut added = 1;
    let refused = loop {
        let mut job = member("away", &new.batch);
        job.record.retention = None;
        job.record.payload = Payload::from_bytes(vec![7; 20_000]).unwrap();
        match backend.enqueue_jobs(std::slice::from_ref(&job)).await {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
        assert!(added < 10_000, "the server never fills");
    };
    assert_eq!(refused.kind(), ErrorKind::Full, "{refused}");

    backend.close_batch(&new.batch).await.unwrap();
    let (mut ended, mut told) = (0, Vec::new());
    while ended < added {
        let request = LeaseRequest::new(WorkerId::from_u64(7), 5, LEASE);
        let exchanged = backend.exchange(&queue("away"), &[], Some(request)).await.unwrap();
        let end = |lease| if ended == 0 { died(lease) } else { done(lease) };
        let settlements: Vec<_> = exchanged.leases.iter().map(end).collect();
        backend.exchange(&queue("away"), &settlements, None).await.unwrap();
        ended += settlements.len() as u64;
        answer_calls(&backend, &mut told).await;
    }

    let view = backend.batch_view(&new.batch).await.unwrap().unwrap();
    assert_eq!((view.total, view.pending(), view.state), (added, 0, BatchState::Failed));
    assert_told(told, &new);
    assert_eq!(lease_all(&backend, "home").await[0].job.id, child.record.id);
}

/// However long a chain is, no step is.
#[tokio::test]
async fn a_chain_of_any_length_fails_to_its_end() {
    const LENGTH: usize = 3_000;
    let server = TestServer::start().unwrap();
    let backend = apart(&server, 0).await;
    let mut chain = vec![job("home")];
    for nth in 1..LENGTH {
        let mut child = after(&chain[nth - 1], "home");
        child.on_parent_failure = OnParentFailure::Fail;
        chain.push(child);
    }
    backend.enqueue_jobs(&chain).await.unwrap();
    let lease = &lease_all(&backend, "home").await[0];

    backend.exchange(&queue("home"), &[died(lease)], None).await.unwrap();

    let stats = backend.queue(&queue("home")).await.unwrap();
    assert_eq!((stats.dead, stats.waiting), (LENGTH as u64, 0));
}

/// Nor is any step long that calls off what a batch counts, however many these are.
#[tokio::test]
async fn any_number_of_nested_batches_is_called_off() {
    const COUNT: usize = 1_300;
    let server = TestServer::start().unwrap();
    let backend = apart(&server, 0).await;
    let outer = new_batch("home");
    backend.open_batch(&outer).await.unwrap();
    let inner: Vec<_> = (0..COUNT)
        .map(|nth| {
            let mut inner = new_batch(if nth % 2 == 0 { "home" } else { "away" });
            inner.parent = Some(outer.batch.clone());
            inner
        })
        .collect();
    for inner in &inner {
        backend.open_batch(inner).await.unwrap();
    }

    backend.call_off_batch(&outer.batch).await.unwrap();

    for inner in &inner {
        assert!(backend.batch_view(&inner.batch).await.unwrap().unwrap().is_called_off);
    }
}
