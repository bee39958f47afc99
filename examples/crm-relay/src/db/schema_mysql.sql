-- Times are UTC milliseconds. The tables of jobq's outbox and inbox are created beside these.
CREATE TABLE IF NOT EXISTS crm_integrations (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    destination     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    webhook_url     TEXT CHARACTER SET utf8mb4 NOT NULL,
    secret          VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- what messages to it are signed with, and those from it
    previous_secret VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NULL,     -- still good until previous_until
    previous_until  BIGINT NULL,
    not_before      BIGINT NULL,                                                 -- until then the receiver wants to be left alone
    is_active       TINYINT NOT NULL,
    -- A destination has one active integration at most.
    active_one      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin AS (IF(is_active = 1, destination, NULL)) STORED,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE KEY crm_integrations_active (active_one)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_inbox (
    id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    source       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    message_id   VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the sender's
    job_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload      MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- JSON
    status       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- pending, processing, processed, failed
    last_error   TEXT CHARACTER SET utf8mb4 NULL,
    received_at  BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    processed_at BIGINT NULL,
    UNIQUE KEY crm_inbox_message (source, message_id),
    KEY crm_inbox_status (status, updated_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS crm_outbox (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    message_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- the Idempotency-Key of all deliveries
    job_id          CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    destination     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event           VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payload         MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- JSON
    caller_key      VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,  -- by which who enqueues it may do so twice
    status          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- pending, sending, sent, failed
    attempts        BIGINT NOT NULL,                                          -- ended since it was enqueued, or put back
    begun           BIGINT NOT NULL,                                          -- raised by each delivery that begins: an older one changes nothing
    next_attempt_at BIGINT NOT NULL,
    last_error      TEXT CHARACTER SET utf8mb4 NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    sent_at         BIGINT NULL,
    UNIQUE KEY crm_outbox_message (message_id),
    UNIQUE KEY crm_outbox_caller (destination, caller_key),
    KEY crm_outbox_status (status, updated_at)
) ENGINE = InnoDB;

-- What inbox messages have brought about.
CREATE TABLE IF NOT EXISTS crm_contacts (
    source      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    external_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name        VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    email       VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    messages    BIGINT NOT NULL,                                              -- how many have told of it
    newest      BIGINT NOT NULL,                                              -- the inbox message that name and email are from
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (source, external_id)
) ENGINE = InnoDB;
