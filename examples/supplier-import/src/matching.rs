//! Which row belongs to which link: by the supplier's article number, or else by the EAN.

use std::collections::{BTreeMap, HashMap};

use crate::db::{ChunkResult, LinkKey, Update};
use crate::row::{self, RawRow, Rejection, Row};

/// Rows sorted into those to look up and those to reject.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) rows: Vec<Row>,
    pub(crate) rejections: Vec<Rejection>,
}

impl Checked {
    pub(crate) fn of(raw: Vec<RawRow>) -> Self {
        let mut checked = Self::default();
        for raw in raw {
            match row::check(raw) {
                Ok(row) => checked.rows.push(row),
                Err(rejection) => checked.rejections.push(rejection),
            }
        }
        checked
    }

    pub(crate) fn skus(&self) -> Vec<&str> {
        self.rows.iter().filter_map(|row| row.sku.as_deref()).collect()
    }

    pub(crate) fn eans(&self) -> Vec<&str> {
        self.rows.iter().filter_map(|row| row.ean.as_deref()).collect()
    }

    /// Gives each row its link. When several rows have the same one, the last of them is stored.
    pub(crate) fn matched(self, contractor_id: i64, links: &[LinkKey]) -> ChunkResult {
        let Self { rows, rejections } = self;
        let links = Links::of(links);
        let mut result = ChunkResult {
            rows_read: (rows.len() + rejections.len()) as u64,
            rejections,
            ..ChunkResult::default()
        };
        // By id: two chunks lock the links they share in the same order.
        let mut updates = BTreeMap::new();
        for row in rows {
            match links.link_of(&row) {
                Ok(Some(link_id)) => {
                    result.updated += 1;
                    let update = Update {
                        link_id,
                        line: row.line,
                        availability: row.availability(contractor_id),
                    };
                    updates.insert(link_id, update);
                }
                Ok(None) => result.unmatched += 1,
                Err(reason) => result.rejections.push(Rejection { line: row.line, reason }),
            }
        }
        result.updates = updates.into_values().collect();
        result.rejections.sort_by_key(|rejection| rejection.line);
        result
    }
}

/// Links by what rows find them by.
struct Links<'a> {
    by_sku: HashMap<&'a str, i64>,
    by_ean: HashMap<&'a str, Vec<i64>>,
}

impl<'a> Links<'a> {
    fn of(keys: &'a [LinkKey]) -> Self {
        let mut by_ean: HashMap<_, Vec<_>> = HashMap::new();
        for key in keys {
            if let Some(ean) = &key.ean {
                by_ean.entry(ean.as_str()).or_default().push(key.link_id);
            }
        }
        let by_sku =
            keys.iter().filter_map(|key| Some((key.sku.as_deref()?, key.link_id))).collect();
        Self { by_sku, by_ean }
    }

    fn link_of(&self, row: &Row) -> Result<Option<i64>, String> {
        if let Some(link) = row.sku.as_deref().and_then(|sku| self.by_sku.get(sku)) {
            return Ok(Some(*link));
        }
        let Some(ean) = row.ean.as_deref() else {
            return Ok(None);
        };
        match self.by_ean.get(ean).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([link]) => Ok(Some(*link)),
            Some(links) => Err(format!(
                "ean \"{ean}\" belongs to {} links and no sku tells which",
                links.len()
            )),
        }
    }
}
