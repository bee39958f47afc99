//! The rejected rows of an import: all are counted, those of the lowest lines are kept.
//!
//! Chunks end in any order, so each keeps what may turn out to be among the first, and the end of the
//! import deletes the rest. Meanwhile there are never more than the bound and one chunk for each handler
//! that runs at once, if chunks run in about their order.

use super::driver::{Record, Step, StoreError, values};
use super::store::Store;
use crate::row::Rejection;

/// How many rejections of an import are kept: those of the lowest lines. All are counted.
pub const MAX_REJECTIONS: u64 = 1_000;

impl Store {
    /// Those of a chunk that may turn out to be among the first.
    pub(super) async fn rejections_to_keep<'a>(
        &self,
        import_id: &str,
        rejections: &'a [Rejection],
    ) -> Result<&'a [Rejection], StoreError> {
        let Some(first) = rejections.first() else {
            return Ok(&[]);
        };
        let sql = "SELECT COUNT(*) FROM import_rejections WHERE import_id = ? AND line < ?";
        let before = self.driver.query(sql, values![import_id, first.line]).await?;
        let before = before.first().map_or(0, |row| row.count(0));
        let room = MAX_REJECTIONS.saturating_sub(before);
        Ok(&rejections[..rejections.len().min(room as usize)])
    }

    /// Deletes those beyond the first, when no chunk can add any more.
    pub(super) async fn prune_rejections(&self, import_id: &str) -> Result<(), StoreError> {
        let sql = "SELECT line FROM import_rejections WHERE import_id = ? ORDER BY line
                   LIMIT 1 OFFSET ?";
        let beyond = self.driver.query(sql, values![import_id, MAX_REJECTIONS]).await?;
        if let Some(row) = beyond.first() {
            let prune = Step::new(
                "DELETE FROM import_rejections WHERE import_id = ? AND line >= ?",
                values![import_id, row.count(0)],
            );
            self.driver.transaction(&[prune]).await?;
        }
        Ok(())
    }

    /// Those that are kept, by line.
    pub(super) async fn rejections(&self, import_id: &str) -> Result<Vec<Rejection>, StoreError> {
        let sql = "SELECT line, reason FROM import_rejections WHERE import_id = ? ORDER BY line
                   LIMIT ?";
        let found = self.driver.query(sql, values![import_id, MAX_REJECTIONS]).await?;
        let rejection = |row: &Record| Rejection {
            line: row.count(0),
            reason: row.text(1).unwrap_or_default().to_owned(),
        };
        Ok(found.iter().map(rejection).collect())
    }
}
