-- Times are UTC milliseconds. The tables of jobq's outbox and inbox are created beside these.
CREATE TABLE IF NOT EXISTS crm_integrations (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    destination     TEXT NOT NULL,
    webhook_url     TEXT NOT NULL,
    secret          TEXT NOT NULL,     -- what messages to it are signed with, and those from it
    previous_secret TEXT NULL,         -- still good until previous_until
    previous_until  INTEGER NULL,
    not_before      INTEGER NULL,      -- until then the receiver wants to be left alone
    is_active       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
-- A destination has one active integration at most.
CREATE UNIQUE INDEX IF NOT EXISTS crm_integrations_active ON crm_integrations (destination) WHERE is_active = 1;

CREATE TABLE IF NOT EXISTS crm_inbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    source       TEXT NOT NULL,
    message_id   TEXT NOT NULL,        -- the sender's
    job_id       TEXT NOT NULL,
    event        TEXT NOT NULL,
    payload      TEXT NOT NULL,        -- JSON
    status       TEXT NOT NULL,        -- pending, processing, processed, failed
    last_error   TEXT NULL,
    received_at  INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    processed_at INTEGER NULL,
    UNIQUE (source, message_id)
);
CREATE INDEX IF NOT EXISTS crm_inbox_status ON crm_inbox (status, updated_at);

CREATE TABLE IF NOT EXISTS crm_outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id      TEXT NOT NULL UNIQUE, -- the Idempotency-Key of all deliveries
    job_id          TEXT NOT NULL,
    destination     TEXT NOT NULL,
    event           TEXT NOT NULL,
    payload         TEXT NOT NULL,        -- JSON
    caller_key      TEXT NULL,            -- by which who enqueues it may do so twice
    status          TEXT NOT NULL,        -- pending, sending, sent, failed
    attempts        INTEGER NOT NULL,     -- ended since it was enqueued, or put back
    begun           INTEGER NOT NULL,     -- raised by each delivery that begins: an older one changes nothing
    next_attempt_at INTEGER NOT NULL,
    last_error      TEXT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    sent_at         INTEGER NULL,
    UNIQUE (destination, caller_key)
);
CREATE INDEX IF NOT EXISTS crm_outbox_status ON crm_outbox (status, updated_at);

-- What inbox messages have brought about.
CREATE TABLE IF NOT EXISTS crm_contacts (
    source      TEXT NOT NULL,
    external_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL,
    messages    INTEGER NOT NULL,         -- how many have told of it
    newest      INTEGER NOT NULL,         -- the inbox message that name and email are from
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (source, external_id)
);
