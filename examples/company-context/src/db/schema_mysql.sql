-- Times are UTC milliseconds. Texts compare to the letter, as in SQLite.
CREATE TABLE IF NOT EXISTS customers (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name            VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    original_text   MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- as it was written; the model changes nothing here
    company_context MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- the original text, or what the model made of it
    context_status  VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,    -- pending, condensed, kept
    last_error      TEXT CHARACTER SET utf8mb4 NULL,                               -- why the original text was kept
    revision        BIGINT NOT NULL DEFAULT 1,                                     -- grows with every change of the original text
    created_at      BIGINT NOT NULL,
    pending_since   BIGINT NOT NULL,                                               -- when the original text was last changed
    condensed_at    BIGINT NULL,
    KEY customers_pending (context_status, id)
) ENGINE = InnoDB;
