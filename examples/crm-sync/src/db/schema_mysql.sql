-- Times are UTC milliseconds. Words compare by the byte, as in SQLite.
CREATE TABLE IF NOT EXISTS crm_stores (
    store    BIGINT NOT NULL PRIMARY KEY,
    name     VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the CRM: tide, harbor
    base_url TEXT CHARACTER SET utf8mb4 NOT NULL,
    api_key  TEXT CHARACTER SET utf8mb4 NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_records (
    store       BIGINT NOT NULL,
    entity      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- customer, product, sale, activity
    record      BIGINT NOT NULL,
    external_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, -- in the CRM; set once it has been created there
    fields      TEXT CHARACTER SET utf8mb4 NOT NULL CHECK (json_valid(fields)),
    revision    BIGINT NOT NULL DEFAULT 1,                                  -- grows with every change of the fields
    -- The fence: the job that has last ended an attempt on this record, and the token of its lease.
    sync_job    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    sync_token  BIGINT NOT NULL DEFAULT 0,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (store, entity, record)
) ENGINE = InnoDB;

-- A row is an attempt that has ended.
CREATE TABLE IF NOT EXISTS crm_sync_log (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    token       BIGINT NOT NULL,                                            -- of the attempt's lease
    attempt     BIGINT NOT NULL,
    store       BIGINT NOT NULL,
    entity      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record      BIGINT NOT NULL,
    direction   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- to_crm, from_crm
    status      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- synced, retrying, failed, throttled, postponed, lost
    message     TEXT CHARACTER SET utf8mb4 NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    KEY sync_log_job (job_id),
    KEY sync_log_finished (finished_at),
    KEY sync_log_record (store, entity, record)
) ENGINE = InnoDB;
