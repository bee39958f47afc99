-- Times are UTC milliseconds.
CREATE TABLE IF NOT EXISTS crm_stores (
    store    INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    provider TEXT NOT NULL,  -- the CRM: tide, harbor
    base_url TEXT NOT NULL,
    api_key  TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS crm_records (
    store       INTEGER NOT NULL,
    entity      TEXT NOT NULL,               -- customer, product, sale, activity
    record      INTEGER NOT NULL,
    external_id TEXT NULL,                   -- in the CRM; set once it has been created there
    fields      TEXT NOT NULL CHECK (json_valid(fields)),
    revision    INTEGER NOT NULL DEFAULT 1,  -- grows with every change of the fields
    -- The fence: the job that has last ended an attempt on this record, and the token of its lease.
    sync_job    TEXT NULL,
    sync_token  INTEGER NOT NULL DEFAULT 0,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (store, entity, record)
) WITHOUT ROWID;

-- A row is an attempt that has ended.
CREATE TABLE IF NOT EXISTS crm_sync_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      TEXT NOT NULL,
    token       INTEGER NOT NULL,  -- of the attempt's lease
    attempt     INTEGER NOT NULL,
    store       INTEGER NOT NULL,
    entity      TEXT NOT NULL,
    record      INTEGER NOT NULL,
    direction   TEXT NOT NULL,     -- to_crm, from_crm
    status      TEXT NOT NULL,     -- synced, retrying, failed, throttled, postponed, lost
    message     TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS sync_log_job ON crm_sync_log (job_id);
CREATE INDEX IF NOT EXISTS sync_log_finished ON crm_sync_log (finished_at);
CREATE INDEX IF NOT EXISTS sync_log_record ON crm_sync_log (store, entity, record);
