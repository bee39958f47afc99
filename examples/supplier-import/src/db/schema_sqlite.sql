-- Times are UTC milliseconds. JSON is kept as text, to the byte.
CREATE TABLE IF NOT EXISTS products (
    id   INTEGER PRIMARY KEY,
    sku  TEXT NOT NULL UNIQUE,
    ean  TEXT NULL,
    name TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS products_ean ON products (ean);

CREATE TABLE IF NOT EXISTS integration_product_links (
    id                    INTEGER PRIMARY KEY,
    product_id            INTEGER NOT NULL REFERENCES products (id),
    contractor_id         INTEGER NOT NULL,
    external_sku          TEXT NULL,
    external_ean          TEXT NULL,
    supplier_availability TEXT NULL CHECK (json_valid(supplier_availability)),
    metadata              TEXT NULL CHECK (json_valid(metadata)),
    -- The row that supplier_availability is from: a chunk never overwrites a later one.
    import_no             INTEGER NOT NULL DEFAULT 0,
    import_line           INTEGER NOT NULL DEFAULT 0,
    updated_at            INTEGER NOT NULL,
    UNIQUE (contractor_id, external_sku)
);
CREATE INDEX IF NOT EXISTS links_ean ON integration_product_links (contractor_id, external_ean);
CREATE INDEX IF NOT EXISTS links_product ON integration_product_links (product_id);

-- Which product of the shop is which of ours.
CREATE TABLE IF NOT EXISTS shop_products (
    product_id      INTEGER PRIMARY KEY REFERENCES products (id),
    shop_product_id INTEGER NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS imports (
    no            INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    contractor_id INTEGER NOT NULL,
    source        TEXT NOT NULL,
    status        TEXT NOT NULL,               -- running, completed, failed
    fence         INTEGER NOT NULL DEFAULT 0,  -- token of the newest attempt of the parent
    digest        TEXT NULL,                   -- these three: set once the file was checked
    rows_total    INTEGER NULL,
    chunks_total  INTEGER NULL,
    started_at    INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS import_chunks (
    import_id   TEXT NOT NULL,
    chunk_no    INTEGER NOT NULL,
    rows_read   INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    unmatched   INTEGER NOT NULL,
    rejected    INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    PRIMARY KEY (import_id, chunk_no)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS import_rejections (
    import_id TEXT NOT NULL,
    line      INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (import_id, line)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS import_summaries (
    import_id   TEXT PRIMARY KEY,
    source      TEXT NOT NULL,
    status      TEXT NOT NULL,  -- completed, failed
    error       TEXT NULL,
    rows_read   INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    unmatched   INTEGER NOT NULL,
    rejected    INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
);
