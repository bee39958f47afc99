//! MySQL from 8.0 and MariaDB from 10.6: both can skip locked rows.

use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{MySql, MySqlConnection, Row};

use super::MYSQL_SCHEMA;
use super::connection::{Record, Statements, Value, statements};
use super::dialect::{Claim, Column, Dialect, Query};

/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;

statements!(MySqlConnection, MySql, MySqlRow, MySqlArguments, [MYSQL_SCHEMA]);

/// Milliseconds since the epoch, whatever the session's time zone: `UNIX_TIMESTAMP(NOW(3))` is wrong for an
/// hour of each year.
macro_rules! now_ms {
    () => {
        "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"
    };
}

static DIALECT: Dialect = Dialect {
    is_missing_table: |error| {
        error
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .is_some_and(|error| error.number() == NO_SUCH_TABLE)
    },
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
    know: "INSERT IGNORE INTO jobq_outbox_queues (queue) VALUES (?)",
    claim: Claim::Lock {
        begin: "BEGIN",
        take: Query {
            sql: "SELECT queue FROM jobq_outbox_queues WHERE queue = ? FOR UPDATE SKIP LOCKED",
            columns: &[Column::Text],
        },
    },
    sizes: Query {
        sql: "SELECT seq, CAST(LENGTH(payload) AS SIGNED) FROM jobq_outbox
              WHERE queue = ? ORDER BY seq LIMIT ?",
        columns: &[Column::Int, Column::Int],
    },
    rows: Query {
        sql: concat!(
            "SELECT seq, CAST(id AS BINARY), CAST(kind AS BINARY), payload, CAST(options AS BINARY),
                    CAST(",
            now_ms!(),
            " - enqueued_at_ms AS SIGNED) FROM jobq_outbox
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
    // STRAIGHT_JOIN: each row is found, and locked, by its key, and no other one is.
    remove: "
        DELETE jobq_outbox FROM JSON_TABLE(?, '$[*]' COLUMNS (seq BIGINT PATH '$')) AS done
        STRAIGHT_JOIN jobq_outbox ON jobq_outbox.seq = done.seq",
    reject: concat!(
        "INSERT INTO jobq_outbox_rejected
             (seq, id, queue, kind, payload, options, enqueued_at_ms, rejected_at_ms, reason)
         SELECT seq, id, queue, kind, payload, options, enqueued_at_ms, ",
        now_ms!(),
        ", ? FROM jobq_outbox WHERE seq = ?"
    ),
    backlog: Query {
        sql: concat!(
            "SELECT queue, COUNT(*), CAST(",
            now_ms!(),
            " - MIN(enqueued_at_ms) AS SIGNED) FROM jobq_outbox GROUP BY queue ORDER BY queue"
        ),
        columns: &[Column::Text, Column::Int, Column::Int],
    },
    rejected: Query {
        sql: concat!(
            "SELECT seq, id, queue, kind, reason, CAST(",
            now_ms!(),
            " - rejected_at_ms AS SIGNED) FROM jobq_outbox_rejected ORDER BY seq LIMIT ?"
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
        "DELETE FROM jobq_outbox_rejected WHERE rejected_at_ms < ",
        now_ms!(),
        " - ? ORDER BY seq LIMIT ?"
    ),
    enter: concat!(
        "INSERT INTO jobq_inbox (id, queue, token, written_at_ms) VALUES (?, ?, ?, ",
        now_ms!(),
        ") ON DUPLICATE KEY UPDATE
             token = GREATEST(token, ?), written_at_ms = VALUES(written_at_ms)"
    ),
    // FOR UPDATE: what the transaction has seen so far may be older than what it has just locked.
    entered: Query {
        sql: "SELECT token, finished_at_ms, result FROM jobq_inbox
              WHERE id = ? AND queue = ? FOR UPDATE",
        columns: &[Column::Int, Column::Int, Column::Bytes],
    },
    finish: concat!(
        "UPDATE jobq_inbox SET result = ?, finished_at_ms = ",
        now_ms!(),
        " WHERE id = ? AND queue = ? AND token = ? AND finished_at_ms IS NULL"
    ),
    prune_inbox: concat!(
        "DELETE FROM jobq_inbox WHERE written_at_ms < ",
        now_ms!(),
        " - ? ORDER BY written_at_ms LIMIT ?"
    ),
};
