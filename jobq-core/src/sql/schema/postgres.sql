-- The outbox: jobs that were enqueued within transactions and that no relay has handed to the queue yet.
CREATE TABLE IF NOT EXISTS jobq_outbox (
    seq            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of the enqueues
    id             TEXT   NOT NULL,                                 -- the job's id
    queue          TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    payload        BYTEA  NOT NULL,                                 -- MessagePack
    options        TEXT   NOT NULL,                                 -- JSON
    enqueued_at_ms BIGINT NOT NULL                                  -- by the database's clock, as all times here
);
CREATE INDEX IF NOT EXISTS jobq_outbox_queue ON jobq_outbox (queue, seq);
CREATE INDEX IF NOT EXISTS jobq_outbox_id ON jobq_outbox (id);

-- The queues that rows were ever found for. The relay that moves the rows of one holds a lock on its row.
CREATE TABLE IF NOT EXISTS jobq_outbox_queues (
    queue TEXT NOT NULL PRIMARY KEY
);

-- Rows that can never be enqueued, with the reason: for people.
CREATE TABLE IF NOT EXISTS jobq_outbox_rejected (
    seq            BIGINT NOT NULL PRIMARY KEY,
    id             TEXT   NOT NULL,
    queue          TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    payload        BYTEA  NOT NULL,
    options        TEXT   NOT NULL,
    enqueued_at_ms BIGINT NOT NULL,
    rejected_at_ms BIGINT NOT NULL,
    reason         TEXT   NOT NULL
);

-- The inbox: jobs whose effect has been written, or whose attempts are fenced.
CREATE TABLE IF NOT EXISTS jobq_inbox (
    id             TEXT   NOT NULL,
    queue          TEXT   NOT NULL,
    token          BIGINT NOT NULL, -- of the newest attempt that has written
    written_at_ms  BIGINT NOT NULL,
    finished_at_ms BIGINT,          -- NULL until the effect is there
    result         BYTEA,           -- MessagePack
    PRIMARY KEY (id, queue)
);
CREATE INDEX IF NOT EXISTS jobq_inbox_written ON jobq_inbox (written_at_ms);
