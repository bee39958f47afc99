//! The requests of each store by windows, from the CRM's own log.

use jobq_core::Timestamp;
use serde::Serialize;

use crate::db::Account;
use crate::stub::Request;
use crate::window::Windows;

/// The requests of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) store: u32,
    pub(super) provider: String,
    /// In each window, from the one in which the workers started to the one in which they stopped.
    pub(super) windows: Vec<u64>,
    /// In those windows alone that began and ended while the workers ran.
    pub(super) full_windows: Vec<u64>,
    pub(super) max_in_window: u64,
}

impl Count {
    /// The requests of all stores. Workers ran from `began_at` to `ended_at`; requests that were under way
    /// then are counted where they came.
    pub(super) fn of(
        requests: &[Request],
        accounts: &[Account],
        windows: Windows,
        began_at: Timestamp,
        ended_at: Timestamp,
    ) -> Vec<Self> {
        let last =
            requests.iter().map(|request| request.at).max().unwrap_or(ended_at).max(ended_at);
        let (first, last) = (windows.number(began_at), windows.number(last));
        let is_full = |number| windows.start(number) >= began_at && windows.end(number) <= ended_at;
        let count = |account: &Account| {
            let store = account.store.as_u32();
            let mut counts = vec![0; (last - first + 1) as usize];
            for request in requests.iter().filter(|request| request.store == store) {
                let place = windows.number(request.at).saturating_sub(first) as usize;
                counts[place] += 1;
            }
            let full = (first..=last).zip(&counts).filter(|(number, _)| is_full(*number));
            Self {
                store,
                provider: account.provider.clone(),
                full_windows: full.map(|(_, count)| *count).collect(),
                max_in_window: counts.iter().copied().max().unwrap_or(0),
                windows: counts,
            }
        };
        accounts.iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::account;
    use crate::ids::StoreId;

    fn request(store: u32, at: u64) -> Request {
        serde_json::from_value(serde_json::json!({
            "at": at, "store": store, "brand": "tide", "method": "POST", "path": "customers",
            "idempotency_key": null, "status": 201, "fault": null,
        }))
        .unwrap()
    }

    #[test]
    fn requests_are_counted_by_store_and_aligned_window() {
        let accounts = [1, 2].map(|n| account(StoreId::new(n).unwrap(), "Store", "http://x"));
        let windows = Windows::of("2/s".parse().unwrap()).unwrap();
        let at = Timestamp::from_millis;
        let requests = [(1, 5_900), (1, 5_999), (2, 6_000), (1, 6_999), (1, 7_000), (1, 8_001)];
        let requests: Vec<_> = requests.iter().map(|(store, ms)| request(*store, *ms)).collect();

        let counts = Count::of(&requests, &accounts, windows, at(5_500), at(7_900));

        assert_eq!(counts[0].windows, [2, 1, 1, 1]);
        assert_eq!(counts[0].full_windows, [1]);
        assert_eq!(counts[0].max_in_window, 2);
        assert_eq!(counts[1].windows, [0, 1, 0, 0]);
    }

    #[test]
    fn a_window_is_full_to_the_millisecond() {
        let accounts = [account(StoreId::new(1).unwrap(), "Store", "http://x")];
        let windows = Windows::of("2/s".parse().unwrap()).unwrap();
        let at = Timestamp::from_millis;
        let full = |began, ended| {
            Count::of(&[], &accounts, windows, at(began), at(ended))[0].full_windows.len()
        };

        assert_eq!(full(1_000, 2_000), 1);
        assert_eq!(full(1_001, 2_000), 0);
        assert_eq!(full(1_000, 1_999), 0);
        assert_eq!(full(999, 3_000), 2);
    }
}
