//! What `docs/operations.md` says to do when Redis was restored from an older backup: tokens go on above those given out since.

use jobq_core::{Backend, Job, LeaseRequest, Queue, QueueName, Token, WorkerId};
use jobq_redis::{RedisBackend, TestServer};
use serde::{Deserialize, Serialize};

use crate::files;

#[derive(Serialize, Deserialize, Job)]
struct Invoice {}

async fn next_token(store: &RedisBackend) -> Token {
    store.enqueue(Invoice {}).await.unwrap();
    let queue = QueueName::new("default").unwrap();
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1, std::time::Duration::from_secs(10));
    store.exchange(&queue, &[], Some(request)).await.unwrap().leases[0].token
}

#[tokio::test]
async fn raised_tokens_are_given_out_from_then_on() {
    let text = files::text("docs/operations.md");
    let command = text.lines().find_map(|line| line.trim().strip_prefix("redis-cli HINCRBY "));
    let [key, field, by] = command.unwrap().split(' ').collect::<Vec<_>>()[..] else {
        panic!("another form")
    };
    let key = key.trim_matches('\'').replace("QUEUE", "default");
    let server = TestServer::start().unwrap();
    let store = RedisBackend::connect(&server.url()).await.unwrap();
    let before = next_token(&store).await;

    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let by: u64 = by.parse().unwrap();
    let mut raise = redis::cmd("HINCRBY");
    raise.arg(key).arg(field).arg(by).exec_async(&mut connection).await.unwrap();

    assert_eq!(next_token(&store).await.as_u64(), before.as_u64() + by + 1);
}
