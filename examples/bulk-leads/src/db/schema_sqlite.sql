-- Times are UTC milliseconds, days are counted from 1970-01-01.
CREATE TABLE IF NOT EXISTS crm_leads (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    status     TEXT NOT NULL,
    deleted_at INTEGER NULL,
    updated_at INTEGER NOT NULL
);

-- One row for each lead that a change has given another status.
CREATE TABLE IF NOT EXISTS crm_lead_history (
    change_id   TEXT NOT NULL,  -- a bulk job, or one synchronous request
    lead_id     INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (change_id, lead_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS history_lead ON crm_lead_history (lead_id);

CREATE TABLE IF NOT EXISTS crm_users (
    id         INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS crm_api_keys (
    id                       TEXT PRIMARY KEY,  -- the part of the key that may be shown
    user_id                  INTEGER NOT NULL REFERENCES crm_users (id),
    name                     TEXT NOT NULL,
    secret_hash              TEXT NOT NULL,     -- SHA-256 of the other part
    is_premium               INTEGER NOT NULL,
    max_pending_jobs         INTEGER NULL,      -- these five: NULL is as everybody has it
    max_jobs_per_day         INTEGER NULL,
    max_leads_per_job        INTEGER NULL,
    max_leads_per_day        INTEGER NULL,
    min_seconds_between_jobs INTEGER NULL,
    webhook_url              TEXT NULL,
    webhook_secret           TEXT NULL,
    created_at               INTEGER NOT NULL,
    revoked_at               INTEGER NULL
);

CREATE TABLE IF NOT EXISTS crm_bulk_jobs (
    id               TEXT PRIMARY KEY,
    user_id          INTEGER NOT NULL REFERENCES crm_users (id),
    key_id           TEXT NOT NULL,
    is_premium       INTEGER NOT NULL,
    target           TEXT NOT NULL,     -- the status that the leads are to have
    state            TEXT NOT NULL,     -- pending, processing, completed, failed, cancelled, timed_out
    error            TEXT NULL,
    total_leads      INTEGER NOT NULL,
    chunk_leads      INTEGER NOT NULL,
    successes        INTEGER NOT NULL DEFAULT 0,
    failures         INTEGER NOT NULL DEFAULT 0,
    retry_of         TEXT NULL UNIQUE,  -- the job whose failed leads these are
    retried_by       TEXT NULL,         -- the job whose leads are the failed ones of this
    day              INTEGER NOT NULL,  -- of created_at
    created_at       INTEGER NOT NULL,
    started_at       INTEGER NULL,
    moved_at         INTEGER NOT NULL,  -- when something was last done for it
    checked_at       INTEGER NOT NULL,  -- when its jobs were last enqueued
    timeout_ms       INTEGER NOT NULL,
    deadline_at      INTEGER NULL,      -- from its acceptance, and then from its start on
    ended_at         INTEGER NULL,
    webhook_state    TEXT NOT NULL,     -- none, pending, delivered, failed
    webhook_attempts INTEGER NOT NULL DEFAULT 0,
    webhook_error    TEXT NULL
);
CREATE INDEX IF NOT EXISTS bulk_jobs_user_state ON crm_bulk_jobs (user_id, state);
CREATE INDEX IF NOT EXISTS bulk_jobs_user_day ON crm_bulk_jobs (user_id, day, total_leads);
CREATE INDEX IF NOT EXISTS bulk_jobs_user_created ON crm_bulk_jobs (user_id, created_at);
CREATE INDEX IF NOT EXISTS bulk_jobs_state ON crm_bulk_jobs (state, ended_at);
CREATE INDEX IF NOT EXISTS bulk_jobs_webhook ON crm_bulk_jobs (webhook_state, checked_at);

-- Apart from the job, whose row is written with every chunk.
CREATE TABLE IF NOT EXISTS crm_bulk_job_leads (
    job_id   TEXT PRIMARY KEY,
    lead_ids TEXT NOT NULL  -- a JSON list, ascending
);

-- A chunk that is done.
CREATE TABLE IF NOT EXISTS crm_bulk_chunks (
    job_id    TEXT NOT NULL,
    chunk_no  INTEGER NOT NULL,
    successes INTEGER NOT NULL,
    failures  TEXT NOT NULL,  -- [{lead_id, code, reason}]
    done_at   INTEGER NOT NULL,
    PRIMARY KEY (job_id, chunk_no)
) WITHOUT ROWID;

-- The sums over jobs that were pruned, and over leads that were changed at once.
CREATE TABLE IF NOT EXISTS crm_bulk_days (
    day         INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    jobs        INTEGER NOT NULL,
    leads       INTEGER NOT NULL,
    completed   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    cancelled   INTEGER NOT NULL,
    timed_out   INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (day, user_id)
) WITHOUT ROWID;
