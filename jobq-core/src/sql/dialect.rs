//! What is said to a database, in the words of each.

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Int,
    Text,
    Bytes,
}

/// A statement that finds rows.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: &'static str,
    pub(super) columns: &'static [Column],
}

/// How one relay at a time gets a queue.
#[derive(Debug)]
#[allow(dead_code, reason = "each database has one of them, and its feature may be off")]
pub(super) enum Claim {
    /// By a lock on the queue's row that lasts as long as the transaction. Whoever dies gives it back.
    Lock {
        begin: &'static str,
        /// queue: found, or somebody else has it
        take: Query,
    },
    /// By a mark with a deadline, as the database locks all or nothing.
    Deadline {
        /// claimant, ms, queue, claimant: one row, or somebody else has it
        take: &'static str,
        /// How the transaction begins that ends it.
        begin: &'static str,
        /// queue, claimant
        release: &'static str,
    },
}

/// The statements. Lists travel as one JSON text, so that there is one statement for any number of rows.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Whether a database error says that a table is not there.
    pub(super) is_missing_table: fn(&dyn sqlx::error::DatabaseError) -> bool,
    /// id, queue, kind, payload, options
    pub(super) add_row: &'static str,
    /// the queues that have rows, by name, the first 500; costs a look into the index each
    pub(super) queues: Query,
    /// queue: found if it can be claimed; waits for nobody
    pub(super) known: Query,
    /// queue: makes it one that can be claimed
    pub(super) know: &'static str,
    pub(super) claim: Claim,
    /// queue, limit: the first rows, as seq and bytes of payload
    pub(super) sizes: Query,
    /// queue, first seq, last seq, limit: seq, id, kind, payload, options, age in ms
    pub(super) rows: Query,
    /// id: one number, of the rows with this job
    pub(super) count_id: Query,
    /// `[seq]`
    pub(super) remove: &'static str,
    /// reason, seq
    pub(super) reject: &'static str,
    /// queue, rows, age of the oldest in ms, by queue
    pub(super) backlog: Query,
    /// limit: seq, id, queue, kind, reason, age in ms, oldest first
    pub(super) rejected: Query,
    /// seq
    pub(super) restore: &'static str,
    /// seq
    pub(super) forget_rejected: &'static str,
    /// age in ms, limit
    pub(super) prune_rejected: &'static str,
    /// id, queue, token, token: adds the job, or raises its token; from here on no other transaction
    /// reads or writes it
    pub(super) enter: &'static str,
    /// id, queue: token, when finished, result
    pub(super) entered: Query,
    /// result, id, queue, token
    pub(super) finish: &'static str,
    /// age in ms, limit
    pub(super) prune_inbox: &'static str,
}
