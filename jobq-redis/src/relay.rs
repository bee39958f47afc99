//! What queues have to tell each other is taken from one to the other here: `lua/lib/flow/outbox.lua` says
//! what notes say.
//!
//! A note stays with its sender until it has been read, and who has read it knows its number. So whoever
//! comes by may carry it, may be stopped at any point, and may be overtaken by others that carry the
//! same: it is read exactly once, and in order.

use std::collections::{BTreeMap, VecDeque};

use jobq_core::{QueueName, Result};
use redis::Value;

use crate::backend::Store;
use crate::error::malformed;
use crate::reply;
use crate::scripts::{DELIVER, ENQUEUE_FLOW, OUTBOX};

/// The most notes that are carried at once.
const STEP: usize = 250;
/// The most bytes of notes that are carried at once, give or take one.
const STEP_BYTES: usize = 1024 * 1024;
/// How often one caller carries what its notes have led to: what is left is for the next one who comes by.
const MOST_ROUNDS: usize = 200;
/// What a note may say. One that a newer program has written is left for that.
const KINDS: &[u8] = b"pmjounf";

/// A note on its way.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    number: u64,
    to: QueueName,
    /// From its kind on.
    says: Vec<u8>,
}

impl Note {
    fn decode(bytes: &[u8]) -> Result<Self> {
        let cut = || malformed("a note ends too early");
        let (number, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
        let (length, rest) = rest.split_first().ok_or_else(cut)?;
        let (to, says) = rest.split_at_checked(usize::from(*length)).ok_or_else(cut)?;
        Ok(Self {
            number: u64::from_be_bytes(*number),
            to: QueueName::new(String::from_utf8_lossy(to))?,
            says: says.to_vec(),
        })
    }

    fn kind(&self) -> u8 {
        self.says.first().copied().unwrap_or_default()
    }
}

impl Store {
    /// Carries all that a queue has to tell to where it belongs, and what this leads to.
    ///
    /// May be dropped at any point, and repeated.
    pub(crate) async fn relay(&self, first: &QueueName) -> Result<()> {
        let mut owing = VecDeque::from([first.clone()]);
        let mut rounds = 0;
        while let Some(sender) = owing.pop_front() {
            rounds += usize::from(sender != *first);
            if rounds > MOST_ROUNDS {
                break;
            }
            let notes = self.notes_of(&sender).await?;
            let Some(last) = notes.last().map(|note| note.number) else { continue };
            let mut by_reader: BTreeMap<QueueName, Vec<Note>> = BTreeMap::new();
            for note in notes {
                by_reader.entry(note.to.clone()).or_default().push(note);
            }
            for (reader, notes) in by_reader {
                if self.deliver(&sender, &reader, notes).await? && !owing.contains(&reader) {
                    owing.push_back(reader);
                }
            }
            let outbox = self.keys.of(&sender);
            let strike_out = redis::cmd("ZREMRANGEBYSCORE")
                .arg(outbox.flow_part("outbox"))
                .arg("-inf")
                .arg(last)
                .take();
            self.link.send(&strike_out).await?;
            if sender == *first {
                owing.push_front(sender);
            } else if !owing.contains(&sender) {
                owing.push_back(sender);
            }
        }
        Ok(())
    }

    /// Carries notes after a call that has succeeded: what fails now is made up for by the next one.
    pub(crate) async fn relay_later(&self, queue: &QueueName) {
        if let Err(error) = self.relay(queue).await {
            tracing::debug!(
                target: "jobq",
                %queue,
                %error,
                "notes to other queues not carried: the next call does"
            );
        }
    }

    async fn notes_of(&self, sender: &QueueName) -> Result<Vec<Note>> {
        let mut call = self.call(&OUTBOX, sender);
        call.arg(STEP).arg(STEP_BYTES);
        let mut notes = Vec::new();
        for bytes in reply::list(self.link.run(&OUTBOX, &call).await?)? {
            let note = Note::decode(&reply::bytes(bytes)?)?;
            if !KINDS.contains(&note.kind()) {
                tracing::warn!(
                    target: "jobq",
                    queue = %sender,
                    "notes of a newer jobq are left for it"
                );
                break;
            }
            notes.push(note);
        }
        Ok(notes)
    }

    /// Lets a queue read notes; says whether it has some to be carried in turn.
    async fn deliver(
        &self,
        sender: &QueueName,
        reader: &QueueName,
        notes: Vec<Note>,
    ) -> Result<bool> {
        let mut owes = false;
        for run in notes.chunk_by(|a, b| a.kind() != b'j' && b.kind() != b'j') {
            let answer = match run {
                [callback] if callback.kind() == b'j' => {
                    self.enqueue_callback(sender, reader, callback).await?
                }
                _ => {
                    let mut call = self.call(&DELIVER, reader);
                    call.arg(self.now()).arg(sender.as_str());
                    for note in run {
                        call.arg(note.number).arg(note.says.as_slice());
                    }
                    self.link.run(&DELIVER, &call).await?
                }
            };
            owes = reply::count(answer)? > 0;
        }
        Ok(owes)
    }

    async fn enqueue_callback(
        &self,
        sender: &QueueName,
        reader: &QueueName,
        note: &Note,
    ) -> Result<Value> {
        self.register(reader).await?;
        let callback = Callback::decode(&note.says)?;
        let mut call = ENQUEUE_FLOW.call(self.keys.of(reader).all());
        call.arg(self.now())
            .arg(sender.as_str())
            .arg(note.number)
            .arg(callback.id)
            .arg(crate::record::stamped(callback.record, self.clock().now()))
            .arg(callback.when)
            .arg("");
        let answer = self.link.run(&ENQUEUE_FLOW, &call).await?;
        Ok(reply::list(answer)?.pop().unwrap_or(Value::Nil))
    }
}

/// What a note says of a callback, after its kind (8 bits) and when it was written (48).
struct Callback<'a> {
    id: &'a [u8],
    when: &'a [u8],
    record: &'a [u8],
}

impl<'a> Callback<'a> {
    fn decode(says: &'a [u8]) -> Result<Self> {
        let cut = || malformed("a note on a callback ends too early");
        let (_, rest) = says.split_at_checked(7).ok_or_else(cut)?;
        let (id, rest) = rest.split_at_checked(16).ok_or_else(cut)?;
        let (length, rest) = rest.split_first().ok_or_else(cut)?;
        let (when, record) = rest.split_at_checked(usize::from(*length)).ok_or_else(cut)?;
        Ok(Self { id, when, record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_ends_early_is_an_error_wherever_it_ends() {
        let mut bytes = 7_u64.to_be_bytes().to_vec();
        bytes.push(4);
        bytes.extend(b"mailp");

        let note = Note::decode(&bytes).unwrap();
        assert_eq!((note.number, note.to.as_str(), note.kind()), (7, "mail", b'p'));
        for end in 0..bytes.len() - 1 {
            assert!(Note::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
