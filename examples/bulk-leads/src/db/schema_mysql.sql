-- Times are UTC milliseconds, days are counted from 1970-01-01.
CREATE TABLE IF NOT EXISTS crm_leads (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    status     VARCHAR(16) CHARACTER SET ascii NOT NULL,
    deleted_at BIGINT NULL,
    updated_at BIGINT NOT NULL
) ENGINE = InnoDB;

-- One row for each lead that a change has given another status.
CREATE TABLE IF NOT EXISTS crm_lead_history (
    change_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- a bulk job, or one synchronous request
    lead_id     BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    from_status VARCHAR(16) CHARACTER SET ascii NOT NULL,
    to_status   VARCHAR(16) CHARACTER SET ascii NOT NULL,
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (change_id, lead_id),
    KEY history_lead (lead_id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_users (
    id         BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_api_keys (
    id                       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, -- the part of the key that may be shown
    user_id                  BIGINT NOT NULL,
    name                     VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
    secret_hash              CHAR(64) CHARACTER SET ascii NOT NULL, -- SHA-256 of the other part
    is_premium               TINYINT NOT NULL,
    max_pending_jobs         BIGINT NULL,                           -- these five: NULL is as everybody has it
    max_jobs_per_day         BIGINT NULL,
    max_leads_per_job        BIGINT NULL,
    max_leads_per_day        BIGINT NULL,
    min_seconds_between_jobs BIGINT NULL,
    webhook_url              TEXT CHARACTER SET utf8mb4 NULL,
    webhook_secret           VARCHAR(80) CHARACTER SET ascii NULL,
    created_at               BIGINT NOT NULL,
    revoked_at               BIGINT NULL,
    CONSTRAINT keys_to_users FOREIGN KEY (user_id) REFERENCES crm_users (id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_bulk_jobs (
    id               CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id          BIGINT NOT NULL,
    key_id           VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    is_premium       TINYINT NOT NULL,
    target           VARCHAR(16) CHARACTER SET ascii NOT NULL, -- the status that the leads are to have
    state            VARCHAR(16) CHARACTER SET ascii NOT NULL, -- pending, processing, completed, failed, cancelled, timed_out
    error            TEXT CHARACTER SET utf8mb4 NULL,
    total_leads      BIGINT NOT NULL,
    chunk_leads      BIGINT NOT NULL,
    successes        BIGINT NOT NULL DEFAULT 0,
    failures         BIGINT NOT NULL DEFAULT 0,
    retry_of         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the job whose failed leads these are
    retried_by       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the job whose leads are the failed ones of this
    day              BIGINT NOT NULL,                          -- of created_at
    created_at       BIGINT NOT NULL,
    started_at       BIGINT NULL,
    moved_at         BIGINT NOT NULL,                          -- when something was last done for it
    checked_at       BIGINT NOT NULL,                          -- when its jobs were last enqueued
    timeout_ms       BIGINT NOT NULL,
    deadline_at      BIGINT NULL,                              -- from its acceptance, and then from its start on
    ended_at         BIGINT NULL,
    webhook_state    VARCHAR(16) CHARACTER SET ascii NOT NULL, -- none, pending, delivered, failed
    webhook_attempts BIGINT NOT NULL DEFAULT 0,
    webhook_error    TEXT CHARACTER SET utf8mb4 NULL,
    UNIQUE KEY bulk_jobs_retry_of (retry_of),
    KEY bulk_jobs_user_state (user_id, state),
    KEY bulk_jobs_user_day (user_id, day, total_leads),
    KEY bulk_jobs_user_created (user_id, created_at),
    KEY bulk_jobs_state (state, ended_at),
    KEY bulk_jobs_webhook (webhook_state, checked_at),
    CONSTRAINT jobs_to_users FOREIGN KEY (user_id) REFERENCES crm_users (id)
) ENGINE = InnoDB;

-- Apart from the job, whose row is written with every chunk.
CREATE TABLE IF NOT EXISTS crm_bulk_job_leads (
    job_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    lead_ids MEDIUMTEXT CHARACTER SET ascii NOT NULL -- a JSON list, ascending
) ENGINE = InnoDB;

-- A chunk that is done.
CREATE TABLE IF NOT EXISTS crm_bulk_chunks (
    job_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    chunk_no  BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    failures  MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL, -- [{lead_id, code, reason}]
    done_at   BIGINT NOT NULL,
    PRIMARY KEY (job_id, chunk_no)
) ENGINE = InnoDB;

-- The sums over jobs that were pruned, and over leads that were changed at once.
CREATE TABLE IF NOT EXISTS crm_bulk_days (
    day         BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    jobs        BIGINT NOT NULL,
    leads       BIGINT NOT NULL,
    completed   BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    cancelled   BIGINT NOT NULL,
    timed_out   BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    PRIMARY KEY (day, user_id)
) ENGINE = InnoDB;
