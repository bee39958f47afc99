//! When things are done by themselves: imports every hour, the shop every half an hour, pruning at night.
//!
//! Any number of workers may run these schedules; each tick is enqueued once, which makes it run "on one
//! server".

use std::str::FromStr;

use jobq_scheduler::{Schedule, TimeUnits};
use program::Failure;

use crate::jobs::{ImportSupplier, PruneFailed, SyncAvailability};
use crate::location::Location;
use crate::rows::Layout;

/// The group of the schedules: the name of this system among those that share a server.
pub const GROUP: &str = "supplier-import";

/// What is done, and by whose clocks.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Plan {
    /// The suppliers whose lists are imported.
    pub suppliers: Vec<Supplier>,
    /// Whether there is a shop to be told.
    pub has_shop: bool,
    /// The time zone whose clocks say when it is 02:00.
    pub timezone: String,
}

/// A contractor and its list, as in `1=https://supplier.example/list.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Supplier {
    /// Whose links are updated.
    pub contractor_id: i64,
    /// Where the list is.
    pub source: Location,
}

impl Plan {
    /// The schedules, each under its name.
    #[must_use]
    pub fn schedules(&self) -> Vec<(String, Schedule)> {
        let mut schedules: Vec<(String, Schedule)> = self
            .suppliers
            .iter()
            .map(|supplier| {
                let import = Schedule::hourly().without_overlapping().job(supplier.import());
                (format!("import-{}", supplier.contractor_id), import)
            })
            .collect();
        if self.has_shop {
            let sync = Schedule::every(30.minutes()).without_overlapping();
            schedules.push(("availability".to_owned(), sync.job(SyncAvailability::default())));
        }
        let prune =
            Schedule::daily_at("02:00").timezone(&self.timezone).job(PruneFailed::default());
        schedules.push(("prune".to_owned(), prune));
        schedules
    }
}

impl Supplier {
    /// The job that starts an import of its list, as `supplier-import import` does if nothing else is said.
    fn import(&self) -> ImportSupplier {
        ImportSupplier {
            contractor_id: self.contractor_id,
            source: self.source.clone(),
            layout: Layout::default(),
            chunk_rows: 500,
            max_bytes: 1 << 30,
            http_timeout_s: 30,
        }
    }
}

impl FromStr for Supplier {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("{text:?} is no supplier, such as 1=list.csv: {why}"))
        };
        let (number, source) =
            text.split_once('=').ok_or_else(|| wrong("there is no = after the contractor"))?;
        let contractor_id =
            number.parse().map_err(|_| wrong("the contractor is not a whole number"))?;
        Ok(Self { contractor_id, source: source.parse().map_err(|why: String| wrong(&why))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(suppliers: &[&str], has_shop: bool) -> Plan {
        let suppliers = suppliers.iter().map(|text| text.parse().unwrap()).collect();
        Plan { suppliers, has_shop, timezone: "Europe/Warsaw".to_owned() }
    }

    #[test]
    fn schedules_say_when() {
        let all = plan(&["1=/a.csv", "2=https://supplier.example/b.xml"], true).schedules();

        let told: Vec<_> = all
            .iter()
            .map(|(name, schedule)| (name.as_str(), schedule.timing().unwrap().to_string()))
            .collect();
        assert_eq!(
            told,
            [
                ("import-1", "every hour, UTC".to_owned()),
                ("import-2", "every hour, UTC".to_owned()),
                ("availability", "every 30 minutes".to_owned()),
                ("prune", "at 02:00 every day, Europe/Warsaw".to_owned()),
            ]
        );
        assert!(all.iter().all(|(_, schedule)| schedule.check().is_ok()));
        assert_eq!(plan(&[], false).schedules().len(), 1);
    }

    #[test]
    fn what_is_no_supplier_is_refused() {
        for (text, why) in [
            ("list.csv", "there is no = after the contractor"),
            ("one=list.csv", "the contractor is not a whole number"),
            ("1=ftp://x", "cannot read from ftp://"),
        ] {
            let told = text.parse::<Supplier>().unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
