//! A program that has a recorder of the crate `metrics` keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jobq_core::{MemoryBackend, Queue};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use crate::http::get;
use crate::{Work, served, worker};

/// Keeps counters only.
#[derive(Clone, Default)]
struct Own(Arc<Mutex<BTreeMap<String, u64>>>);

struct OwnCounter {
    own: Own,
    name: String,
}

impl CounterFn for OwnCounter {
    fn increment(&self, value: u64) {
        *self.own.0.lock().unwrap().entry(self.name.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        self.own.0.lock().unwrap().insert(self.name.clone(), value);
    }
}

impl Recorder for Own {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let name = key.name().to_owned();
        Counter::from_arc(Arc::new(OwnCounter { own: self.clone(), name }))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_of_the_program_hears_what_the_listener_shows() {
    let own = Own::default();
    metrics::set_global_recorder(own.clone()).unwrap();
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    store.enqueue_all((0..5).map(|_| Work { fails: false })).await.unwrap();
    metrics::counter!("orders_total").increment(3);

    worker(&store).health(&health).stop_when_empty().run().await.unwrap();

    let heard = own.0.lock().unwrap();
    // Other tests of this process may have counted since.
    assert!(heard["jobq_jobs_settled_total"] >= 5, "{heard:?}");
    assert_eq!(heard["orders_total"], 3);
    let shown = get(listener.address(), "/metrics").body;
    assert!(shown.contains("outcome=\"completed\"} 5\n"), "{shown}");
}
