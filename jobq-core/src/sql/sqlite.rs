//! SQLite: one writer at a time, no locks on rows.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};

use super::SQLITE_SCHEMA;
use super::connection::{Record, Statements, Value, statements};
use super::dialect::{Claim, Column, Dialect, Query};

statements!(SqliteConnection, Sqlite, SqliteRow, SqliteArguments, [SQLITE_SCHEMA]);

/// Milliseconds since the epoch. `unixepoch('subsec')` would need SQLite 3.42.
macro_rules! now_ms {
    () => {
        "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
    };
}

static DIALECT: Dialect = Dialect {
    is_missing_table: |error| error.message().starts_with("no such table"),
    add_row: concat!(
        "INSERT INTO jobq_outbox (id, queue, kind, payload, options, enqueued_at_ms)
         VALUES (?, ?, ?, ?, ?, ",
        now_ms!(),
        ")"
    ),
    queues: Query {
        sql: "
            WITH RECURSIVE found (queue, n) AS (
                SELECT MIN(queue), 1 FROM jobq_outbox
                UNION ALL
                SELECT (SELECT MIN(queue) FROM jobq_outbox WHERE queue > found.queue), n + 1
                FROM found WHERE found.queue IS NOT NULL AND n < 500)
            SELECT queue FROM found WHERE queue IS NOT NULL",
        columns: &[Column::Text],
    },
    known: Query {
        sql: "SELECT queue FROM jobq_outbox_queues WHERE queue = ?",
        columns: &[Column::Text],
    },
    know: "INSERT OR IGNORE INTO jobq_outbox_queues (queue) VALUES (?)",
    claim: Claim::Deadline {
        take: concat!(
            "UPDATE jobq_outbox_queues SET claimed_by = ?, claimed_until_ms = ? + ",
            now_ms!(),
            " WHERE queue = ? AND (claimed_by = ? OR claimed_until_ms <= ",
            now_ms!(),
            ")"
        ),
        // IMMEDIATE takes the lock at once: a transaction that only later wants to write would fail if
        // another one had written meanwhile.
        begin: "BEGIN IMMEDIATE",
        release: "
            UPDATE jobq_outbox_queues SET claimed_by = '', claimed_until_ms = 0
            WHERE queue = ? AND claimed_by = ?",
    },
    sizes: Query {
        sql: "SELECT seq, length(payload) FROM jobq_outbox WHERE queue = ? ORDER BY seq LIMIT ?",
        columns: &[Column::Int, Column::Int],
    },
    rows: Query {
        // As bytes: SQLite does not see to it that a text is one.
        sql: concat!(
            "SELECT seq, CAST(id AS BLOB), CAST(kind AS BLOB), payload, CAST(options AS BLOB), ",
            now_ms!(),
            " - enqueued_at_ms FROM jobq_outbox
             WHERE queue = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        ),
        columns: &[
            Column::Int,
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Int,
        ],
    },
    count_id: Query {
        sql: "SELECT COUNT(*) FROM jobq_outbox WHERE id = ?",
        columns: &[Column::Int],
    },
    remove: "DELETE FROM jobq_outbox WHERE seq IN (SELECT value FROM json_each(?))",
    reject: concat!(
        "INSERT OR IGNORE INTO jobq_outbox_rejected
             (seq, id, queue, kind, payload, options, enqueued_at_ms, rejected_at_ms, reason)
         SELECT seq, id, queue, kind, payload, options, enqueued_at_ms, ",
        now_ms!(),
        ", ? FROM jobq_outbox WHERE seq = ?"
    ),
    backlog: Query {
        sql: concat!(
            "SELECT queue, COUNT(*), ",
            now_ms!(),
            " - MIN(enqueued_at_ms) FROM jobq_outbox GROUP BY queue ORDER BY queue"
        ),
        columns: &[Column::Text, Column::Int, Column::Int],
    },
    rejected: Query {
        sql: concat!(
            "SELECT seq, id, queue, kind, reason, ",
            now_ms!(),
            " - rejected_at_ms FROM jobq_outbox_rejected ORDER BY seq LIMIT ?"
        ),
        columns: &[
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
        ],
    },
    restore: "
        INSERT INTO jobq_outbox (id, queue, kind, payload, options, enqueued_at_ms)
        SELECT id, queue, kind, payload, options, enqueued_at_ms
        FROM jobq_outbox_rejected WHERE seq = ?",
    forget_rejected: "DELETE FROM jobq_outbox_rejected WHERE seq = ?",
    prune_rejected: concat!(
        "DELETE FROM jobq_outbox_rejected WHERE seq IN (
             SELECT seq FROM jobq_outbox_rejected WHERE rejected_at_ms < ",
        now_ms!(),
        " - ? ORDER BY seq LIMIT ?)"
    ),
    enter: concat!(
        "INSERT INTO jobq_inbox (id, queue, token, written_at_ms) VALUES (?, ?, ?, ",
        now_ms!(),
        ") ON CONFLICT (id, queue) DO UPDATE
             SET token = MAX(token, ?), written_at_ms = excluded.written_at_ms"
    ),
    entered: Query {
        sql: "SELECT token, finished_at_ms, result FROM jobq_inbox WHERE id = ? AND queue = ?",
        columns: &[Column::Int, Column::Int, Column::Bytes],
    },
    finish: concat!(
        "UPDATE jobq_inbox SET result = ?, finished_at_ms = ",
        now_ms!(),
        " WHERE id = ? AND queue = ? AND token = ? AND finished_at_ms IS NULL"
    ),
    prune_inbox: concat!(
        "DELETE FROM jobq_inbox WHERE rowid IN (
             SELECT rowid FROM jobq_inbox WHERE written_at_ms < ",
        now_ms!(),
        " - ? ORDER BY written_at_ms LIMIT ?)"
    ),
};
