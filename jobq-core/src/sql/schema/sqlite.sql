-- The outbox: jobs that were enqueued within transactions and that no relay has handed to the queue yet.
CREATE TABLE IF NOT EXISTS jobq_outbox (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of the enqueues
    id             TEXT    NOT NULL,                  -- the job's id
    queue          TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    payload        BLOB    NOT NULL,                  -- MessagePack
    options        TEXT    NOT NULL,                  -- JSON
    enqueued_at_ms INTEGER NOT NULL                   -- by the database's clock, as all times here
) STRICT;
CREATE INDEX IF NOT EXISTS jobq_outbox_queue ON jobq_outbox (queue, seq);
CREATE INDEX IF NOT EXISTS jobq_outbox_id ON jobq_outbox (id);

-- The queues that rows were ever found for, and the relay that moves the rows of each.
CREATE TABLE IF NOT EXISTS jobq_outbox_queues (
    queue            TEXT    NOT NULL PRIMARY KEY,
    claimed_by       TEXT    NOT NULL DEFAULT '',
    claimed_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Rows that can never be enqueued, with the reason: for people.
CREATE TABLE IF NOT EXISTS jobq_outbox_rejected (
    seq            INTEGER NOT NULL PRIMARY KEY,
    id             TEXT    NOT NULL,
    queue          TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    payload        BLOB    NOT NULL,
    options        TEXT    NOT NULL,
    enqueued_at_ms INTEGER NOT NULL,
    rejected_at_ms INTEGER NOT NULL,
    reason         TEXT    NOT NULL
) STRICT;

-- The inbox: jobs whose effect has been written, or whose attempts are fenced.
CREATE TABLE IF NOT EXISTS jobq_inbox (
    id             TEXT    NOT NULL,
    queue          TEXT    NOT NULL,
    token          INTEGER NOT NULL, -- of the newest attempt that has written
    written_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER,          -- NULL until the effect is there
    result         BLOB,             -- MessagePack
    PRIMARY KEY (id, queue)
) STRICT;
CREATE INDEX IF NOT EXISTS jobq_inbox_written ON jobq_inbox (written_at_ms);
