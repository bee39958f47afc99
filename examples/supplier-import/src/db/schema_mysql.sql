-- Times are UTC milliseconds. JSON is kept as text, to the byte: MySQL's own JSON type would write
-- 12.30 as 12.3. Numbers of articles compare by the byte, as in SQLite.
CREATE TABLE IF NOT EXISTS products (
    id   BIGINT NOT NULL PRIMARY KEY,
    sku  VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    ean  VARCHAR(14) CHARACTER SET ascii COLLATE ascii_bin NULL,
    name VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL,
    UNIQUE KEY products_sku (sku),
    KEY products_ean (ean)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS integration_product_links (
    id                    BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id            BIGINT NOT NULL,
    contractor_id         BIGINT NOT NULL,
    external_sku          VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    external_ean          VARCHAR(14) CHARACTER SET ascii COLLATE ascii_bin NULL,
    supplier_availability TEXT CHARACTER SET utf8mb4 NULL CHECK (json_valid(supplier_availability)),
    metadata              TEXT CHARACTER SET utf8mb4 NULL CHECK (json_valid(metadata)),
    -- The row that supplier_availability is from: a chunk never overwrites a later one.
    import_no             BIGINT NOT NULL DEFAULT 0,
    import_line           BIGINT NOT NULL DEFAULT 0,
    updated_at            BIGINT NOT NULL,
    UNIQUE KEY links_sku (contractor_id, external_sku),
    KEY links_ean (contractor_id, external_ean),
    KEY links_product (product_id),
    CONSTRAINT links_to_products FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB;

-- Which product of the shop is which of ours.
CREATE TABLE IF NOT EXISTS shop_products (
    product_id      BIGINT NOT NULL PRIMARY KEY,
    shop_product_id BIGINT NOT NULL,
    UNIQUE KEY shop_products_shop (shop_product_id),
    CONSTRAINT shop_products_to_products FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS imports (
    no            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id            VARCHAR(36) CHARACTER SET ascii NOT NULL,
    contractor_id BIGINT NOT NULL,
    source        TEXT CHARACTER SET utf8mb4 NOT NULL,
    status        VARCHAR(16) CHARACTER SET ascii NOT NULL, -- running, completed, failed
    fence         BIGINT NOT NULL DEFAULT 0,                -- token of the newest attempt of the parent
    digest        CHAR(64) CHARACTER SET ascii NULL,        -- these three: set once the file was checked
    rows_total    BIGINT NULL,
    chunks_total  BIGINT NULL,
    started_at    BIGINT NOT NULL,
    UNIQUE KEY imports_id (id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS import_chunks (
    import_id   VARCHAR(36) CHARACTER SET ascii NOT NULL,
    chunk_no    BIGINT NOT NULL,
    rows_read   BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    unmatched   BIGINT NOT NULL,
    rejected    BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    PRIMARY KEY (import_id, chunk_no)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS import_rejections (
    import_id VARCHAR(36) CHARACTER SET ascii NOT NULL,
    line      BIGINT NOT NULL,
    reason    TEXT CHARACTER SET utf8mb4 NOT NULL,
    PRIMARY KEY (import_id, line)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS import_summaries (
    import_id   VARCHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY,
    source      TEXT CHARACTER SET utf8mb4 NOT NULL,
    status      VARCHAR(16) CHARACTER SET ascii NOT NULL, -- completed, failed
    error       TEXT CHARACTER SET utf8mb4 NULL,
    rows_read   BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    unmatched   BIGINT NOT NULL,
    rejected    BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
) ENGINE = InnoDB;
