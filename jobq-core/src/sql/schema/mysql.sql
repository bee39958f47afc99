-- The outbox: jobs that were enqueued within transactions and that no relay has handed to the queue yet.
CREATE TABLE IF NOT EXISTS jobq_outbox (
    seq            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, -- the order of the enqueues
    id             VARCHAR(36)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the job's id
    queue          VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind           VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload        MEDIUMBLOB NOT NULL,                        -- MessagePack
    options        MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL,  -- JSON
    enqueued_at_ms BIGINT NOT NULL,                            -- by the database's clock, as all times here
    INDEX jobq_outbox_queue (queue, seq),
    INDEX jobq_outbox_id (id)
) ENGINE = InnoDB;

-- The queues that rows were ever found for. The relay that moves the rows of one holds a lock on its row.
CREATE TABLE IF NOT EXISTS jobq_outbox_queues (
    queue VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
) ENGINE = InnoDB;

-- Rows that can never be enqueued, with the reason: for people.
CREATE TABLE IF NOT EXISTS jobq_outbox_rejected (
    seq            BIGINT NOT NULL PRIMARY KEY,
    id             VARCHAR(36)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue          VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind           VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload        MEDIUMBLOB NOT NULL,
    options        MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL,
    enqueued_at_ms BIGINT NOT NULL,
    rejected_at_ms BIGINT NOT NULL,
    reason         TEXT CHARACTER SET utf8mb4 NOT NULL
) ENGINE = InnoDB;

-- The inbox: jobs whose effect has been written, or whose attempts are fenced.
CREATE TABLE IF NOT EXISTS jobq_inbox (
    id             VARCHAR(36)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue          VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    token          BIGINT NOT NULL,     -- of the newest attempt that has written
    written_at_ms  BIGINT NOT NULL,
    finished_at_ms BIGINT NULL,         -- NULL until the effect is there
    result         MEDIUMBLOB NULL,     -- MessagePack
    PRIMARY KEY (id, queue),
    INDEX jobq_inbox_written (written_at_ms)
) ENGINE = InnoDB;
