//! PostgreSQL.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{PgConnection, Postgres, Row};

use super::connection::{Record, Statements, Value, statements};
use super::dialect::{Claim, Column, Dialect, Query};

/// undefined_table
const NO_SUCH_TABLE: &str = "42P01";

statements!(
    PgConnection,
    Postgres,
    PgRow,
    PgArguments,
    // Two programs that create a table at once get in each other's way in the catalogue, `IF NOT EXISTS`
    // or not. All statements of one text are one transaction, at whose end the lock is given back.
    [concat!("SELECT pg_advisory_xact_lock(7815693214065);", include_str!("schema/postgres.sql"))]
);

/// Milliseconds since the epoch.
macro_rules! now_ms {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}

static DIALECT: Dialect = Dialect {
    is_missing_table: |error| error.code().as_deref() == Some(NO_SUCH_TABLE),
    add_row: concat!(
        "INSERT INTO jobq_outbox (id, queue, kind, payload, options, enqueued_at_ms)
         VALUES ($1, $2, $3, $4, $5, ",
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
        sql: "SELECT queue FROM jobq_outbox_queues WHERE queue = $1",
        columns: &[Column::Text],
    },
    know: "INSERT INTO jobq_outbox_queues (queue) VALUES ($1) ON CONFLICT DO NOTHING",
    claim: Claim::Lock {
        // What a relay before has removed must be seen, whatever the server's default is.
        begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
        take: Query {
            sql: "SELECT queue FROM jobq_outbox_queues WHERE queue = $1 FOR UPDATE SKIP LOCKED",
            columns: &[Column::Text],
        },
    },
    sizes: Query {
        sql: "SELECT seq, CAST(octet_length(payload) AS BIGINT) FROM jobq_outbox
              WHERE queue = $1 ORDER BY seq LIMIT $2",
        columns: &[Column::Int, Column::Int],
    },
    rows: Query {
        sql: concat!(
            "SELECT seq, convert_to(id, 'UTF8'), convert_to(kind, 'UTF8'), payload,
                    convert_to(options, 'UTF8'), ",
            now_ms!(),
            " - enqueued_at_ms FROM jobq_outbox
             WHERE queue = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT $4"
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
        sql: "SELECT COUNT(*) FROM jobq_outbox WHERE id = $1",
        columns: &[Column::Int],
    },
    remove:
        "
        DELETE FROM jobq_outbox
        WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($1 AS json)))",
    reject: concat!(
        "INSERT INTO jobq_outbox_rejected
             (seq, id, queue, kind, payload, options, enqueued_at_ms, rejected_at_ms, reason)
         SELECT seq, id, queue, kind, payload, options, enqueued_at_ms, ",
        now_ms!(),
        ", $1 FROM jobq_outbox WHERE seq = $2"
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
            " - rejected_at_ms FROM jobq_outbox_rejected ORDER BY seq LIMIT $1"
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
        FROM jobq_outbox_rejected WHERE seq = $1",
    forget_rejected: "DELETE FROM jobq_outbox_rejected WHERE seq = $1",
    prune_rejected: concat!(
        "DELETE FROM jobq_outbox_rejected WHERE seq IN (
             SELECT seq FROM jobq_outbox_rejected WHERE rejected_at_ms < ",
        now_ms!(),
        " - $1 ORDER BY seq LIMIT $2)"
    ),
    enter: concat!(
        "INSERT INTO jobq_inbox (id, queue, token, written_at_ms) VALUES ($1, $2, $3, ",
        now_ms!(),
        ") ON CONFLICT (id, queue) DO UPDATE
             SET token = GREATEST(jobq_inbox.token, $4), written_at_ms = excluded.written_at_ms"
    ),
    entered: Query {
        sql: "SELECT token, finished_at_ms, result FROM jobq_inbox WHERE id = $1 AND queue = $2",
        columns: &[Column::Int, Column::Int, Column::Bytes],
    },
    finish: concat!(
        "UPDATE jobq_inbox SET result = $1, finished_at_ms = ",
        now_ms!(),
        " WHERE id = $2 AND queue = $3 AND token = $4 AND finished_at_ms IS NULL"
    ),
    prune_inbox: concat!(
        "DELETE FROM jobq_inbox WHERE ctid IN (
             SELECT ctid FROM jobq_inbox WHERE written_at_ms < ",
        now_ms!(),
        " - $1 ORDER BY written_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED)"
    ),
};
