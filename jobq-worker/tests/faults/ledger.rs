//! What handlers write down of themselves, on a server of its own that no fault touches.
//!
//! The order of the notes is the order in which that server got them. They are written by blocking calls: a handler
//! that is dropped, or whose runtime is blocked, writes them too.

use std::fmt;
use std::sync::{Arc, Mutex};

use jobq_core::{JobContext, JobId};
use serde::{Deserialize, Serialize};

/// All notes, in their order.
const NOTES: &str = "notes";

/// The newest token that has written the effect of each job.
const FENCES: &str = "fences";

/// `UPDATE … SET fence = token WHERE fence < token`, and the note of what became of it.
const APPLY: &str = "
    local fence = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
    if tonumber(ARGV[2]) <= fence then
        return redis.call('RPUSH', KEYS[2], ARGV[4])
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    return redis.call('RPUSH', KEYS[2], ARGV[3])";

/// One attempt of a job in one worker process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) worker: String,
    pub(crate) job: JobId,
    pub(crate) token: u64,
}

/// What is known of a run when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) lane: Option<String>,
    pub(crate) unique: Option<String>,
    pub(crate) tick: Option<String>,
    /// When its lease ends, by the store's clock.
    pub(crate) expires_at: u64,
    pub(crate) attempt: u32,
    pub(crate) crashes: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    Started(Run, Start),
    /// The effect of a run was taken.
    Applied(Run),
    /// The effect of a run was refused: one with a newer token had been taken.
    Refused(Run),
    /// The handler is over. Done, or dropped before that.
    Ended {
        run: Run,
        done: bool,
    },
    /// From here on the leases of this worker, or of all, may run out though nobody gave them back: it was killed or
    /// stopped, or the server's clock was stepped. The test says so, when it has done it.
    LeasesLost {
        worker: Option<String>,
    },
    /// The clock was put forward: leases that end before this instant have ended, also those that are granted by a
    /// process that read the clock just before.
    ClockForward {
        to_ms: u64,
    },
    /// What the store answered to a call with the token of this run.
    Answered {
        run: Run,
        call: String,
        held: bool,
    },
    /// Anything else that a handler wants to tell its test.
    Said {
        run: Run,
        what: String,
    },
}

/// A connection to the server of the notes, for one process.
#[derive(Clone)]
pub(crate) struct Ledger {
    connection: Arc<Mutex<redis::Connection>>,
    worker: Arc<str>,
}

impl Ledger {
    pub(crate) fn open(url: &str, worker: &str) -> Self {
        let connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        Self { connection: Arc::new(Mutex::new(connection)), worker: Arc::from(worker) }
    }

    fn call<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        command.query(&mut *self.connection.lock().unwrap()).unwrap()
    }

    pub(crate) fn note(&self, note: &Note) {
        self.call::<u64>(redis::cmd("RPUSH").arg(NOTES).arg(text(note)));
    }

    /// The notes from one on.
    pub(crate) fn notes(&self, from: usize) -> Vec<Note> {
        let notes: Vec<String> = self.call(redis::cmd("LRANGE").arg(NOTES).arg(from).arg(-1));
        notes.iter().map(|note| serde_json::from_str(note).unwrap()).collect()
    }

    /// Tells all handlers that wait for it to go on.
    pub(crate) fn raise(&self, flag: &str) {
        self.call::<()>(redis::cmd("SET").arg(flag).arg(1));
    }

    pub(crate) fn is_raised(&self, flag: &str) -> bool {
        self.call(redis::cmd("EXISTS").arg(flag))
    }

    /// Notes that this process is about to die.
    pub(crate) fn give_up(&self) {
        self.note(&Note::LeasesLost { worker: Some(self.worker.to_string()) });
    }

    pub(crate) fn start(&self, cx: &JobContext, unique: Option<String>) -> Presence {
        let run = Run { worker: self.worker.to_string(), job: cx.id(), token: cx.token().as_u64() };
        let start = Start {
            kind: cx.kind().to_string(),
            queue: cx.queue_name().to_string(),
            lane: cx.lane().map(ToString::to_string),
            unique,
            tick: cx.metadata().get("tick").map(str::to_owned),
            expires_at: cx.lease().expires_at.as_millis(),
            attempt: cx.attempt(),
            crashes: cx.crashes(),
        };
        self.note(&Note::Started(run.clone(), start));
        Presence { ledger: self.clone(), run, done: false }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.worker).finish()
    }
}

fn text(note: &Note) -> String {
    serde_json::to_string(note).unwrap()
}

/// A handler from its start to its end, however it ends.
#[derive(Debug)]
pub(crate) struct Presence {
    ledger: Ledger,
    run: Run,
    done: bool,
}

impl Presence {
    /// Writes the effect of the job, fenced by the token of the run.
    pub(crate) fn apply(&self) {
        let (applied, refused) = (Note::Applied(self.run.clone()), Note::Refused(self.run.clone()));
        let mut call = redis::cmd("EVAL");
        call.arg(APPLY).arg(2).arg(FENCES).arg(NOTES);
        call.arg(self.run.job.to_string())
            .arg(self.run.token)
            .arg(text(&applied))
            .arg(text(&refused));
        self.ledger.call::<u64>(&call);
    }

    /// Writes the effect, and that the job is done.
    pub(crate) fn finish(mut self) {
        self.apply();
        self.done = true;
    }

    pub(crate) fn answered(&self, call: &str, held: bool) {
        let (run, call) = (self.run.clone(), call.to_owned());
        self.ledger.note(&Note::Answered { run, call, held });
    }

    pub(crate) fn say(&self, what: impl Into<String>) {
        self.ledger.note(&Note::Said { run: self.run.clone(), what: what.into() });
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.ledger.note(&Note::Ended { run: self.run.clone(), done: self.done });
    }
}
