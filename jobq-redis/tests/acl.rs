//! The user that `docs/operations.md` tells operators to make has just the rights that are needed. That they are
//! enough is shown by the whole conformance suite, which runs as that user.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jobq_core::{Backend, BatchId, BatchRef, ErrorKind, JobState, NewBatch};
use jobq_redis::{RedisBackend, RedisConfig};
use support::{documented_user, job, server_with_documented_user};

/// What the client library sends by itself: to log in, to choose a database, to listen, and before a connection
/// of its pool is used again.
const BY_THE_LIBRARY: [&str; 4] = ["auth", "select", "subscribe", "unwatch"];

/// What jobq does without if it may not; what is for `Durability::Disk` alone, and unknown before 7.2; and
/// what is asked of sentinels, which have users of their own.
const OPTIONAL: [&str; 3] = ["config", "waitaof", "sentinel"];

/// All files of a folder and those below it with this ending.
fn files(folder: &Path, ending: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(files(&path, ending));
        } else if path.extension().is_some_and(|is| is == ending) {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// The words in quotes.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_lowercase)
}

fn commands_of_scripts() -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for text in files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lua")), "lua") {
        for opening in ["redis.call(", "redis.pcall(", "call_with("] {
            for call in text.split(opening).skip(1) {
                let (command, _) = call.split_once([',', ')']).unwrap();
                // What `call_with` is given it calls.
                if command == "command" {
                    continue;
                }
                assert!(command.contains('"'), "which command is it? {command}");
                commands.extend(quoted(command));
            }
        }
    }
    commands
}

fn commands_of_the_program() -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for text in files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), "rs") {
        let (program, _) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&text, ""));
        let calls = ["redis::cmd(", "= roomy("].map(|opening| program.split(opening).skip(1));
        for call in calls.into_iter().flatten() {
            let (command, _) = call.split_once([',', ')']).unwrap();
            // `jobq doctor` tries commands of a list, and goes without those that are refused.
            if command != "words[0]" {
                commands.insert(quoted(command).next().unwrap());
            }
        }
    }
    commands
}

#[test]
fn every_command_that_is_used_is_allowed_and_no_other() {
    let mut used = commands_of_scripts();
    assert!(used.len() > 30 && used.contains("lpush"), "{used:?}");
    used.extend(commands_of_the_program());
    used.retain(|command| !OPTIONAL.contains(&command.as_str()));
    used.extend(BY_THE_LIBRARY.map(str::to_owned));

    let allowed: BTreeSet<String> = documented_user()
        .iter()
        .filter_map(|word| word.strip_prefix('+'))
        .map(|command| command.split('|').next().unwrap().to_owned())
        .collect();

    let missing: Vec<_> = used.difference(&allowed).collect();
    let needless: Vec<_> = allowed.difference(&used).collect();
    assert!(missing.is_empty(), "docs/operations.md does not allow {missing:?}");
    assert!(needless.is_empty(), "docs/operations.md allows {needless:?} for nothing");
}

#[tokio::test]
async fn nothing_is_said_to_be_missing() {
    let (server, url) = server_with_documented_user();
    let backend = RedisBackend::connect(&url).await.unwrap();

    assert_eq!(backend.rights().await.unwrap().fault(), None);
    drop(server);
}

#[tokio::test]
async fn jobs_can_be_watched() {
    let (_server, url) = server_with_documented_user();
    let backend = RedisBackend::connect(&url).await.unwrap();

    let job = job();
    backend.enqueue_jobs(std::slice::from_ref(&job)).await.unwrap();
    let (queue, id) = (&job.record.queue, job.record.id);
    let seen = backend.watch(queue, id, None).await.unwrap();
    let (told, leased) =
        tokio::join!(backend.watch(queue, id, Some(&seen)), support::lease(&backend, 1));
    assert_eq!(leased.leases.len(), 1);
    assert_eq!(told.unwrap().state, Some(JobState::Leased));
    let batch = BatchRef::new(queue.clone(), BatchId::from_key("a"));
    assert!(backend.open_batch(&NewBatch::new(batch.clone(), "a")).await.unwrap());
    assert!(backend.close_batch(&batch).await.unwrap().state.has_ended());
}

#[tokio::test]
async fn nobody_elses_keys_can_be_touched() {
    let (server, url) = server_with_documented_user();
    let backend =
        RedisBackend::connect_with(RedisConfig::new(&url).unwrap().prefix("jobq2").unwrap());
    assert_eq!(backend.await.unwrap_err().kind(), ErrorKind::Refused);

    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for command in ["GET sessions:1", "DEL {jobq2}:queues", "FLUSHALL", "CONFIG GET *", "KEYS *"] {
        let mut words = command.split(' ');
        let mut call = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            call.arg(word);
        });
        let refused = call.query_async::<redis::Value>(&mut connection).await.unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{command}: {refused}");
    }
    drop(server);
}
