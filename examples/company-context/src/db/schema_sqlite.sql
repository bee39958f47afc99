-- Times are UTC milliseconds.
CREATE TABLE IF NOT EXISTS customers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    original_text   TEXT NOT NULL,               -- as it was written; the model changes nothing here
    company_context TEXT NOT NULL,               -- the original text, or what the model made of it
    context_status  TEXT NOT NULL,               -- pending, condensed, kept
    last_error      TEXT NULL,                   -- why the original text was kept
    revision        INTEGER NOT NULL DEFAULT 1,  -- grows with every change of the original text
    created_at      INTEGER NOT NULL,
    pending_since   INTEGER NOT NULL,            -- when the original text was last changed
    condensed_at    INTEGER NULL
);
CREATE INDEX IF NOT EXISTS customers_pending ON customers (context_status, id);
