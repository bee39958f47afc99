//! `cargo bench -p jobq-benches`
//!
//! The parts without input and output: encoding, identities, backoff.

use std::time::Duration;

use jobq_core::backoff::SeededRandom;
use jobq_core::{Backoff, JobId, Payload, SystemClock, UniqueKey};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    number: u64,
    customer: String,
    address: String,
    note: String,
}

fn order() -> Order {
    Order {
        number: 4711,
        customer: "Zofia Kowalska".into(),
        address: "ul. Długa 17/4, 00-238 Warszawa, Polska".into(),
        note: "Please deliver between nine and eleven, and ring twice: the bell is slow".into(),
    }
}

#[divan::bench]
fn payload_encode(bencher: divan::Bencher<'_, '_>) {
    let order = order();
    bencher.bench_local(|| Payload::encode(&order));
}

#[divan::bench]
fn payload_decode(bencher: divan::Bencher<'_, '_>) {
    let payload = Payload::encode(&order()).expect("an order has an encoding");
    bencher.bench_local(|| payload.decode::<Order>());
}

#[divan::bench]
fn payload_to_json(bencher: divan::Bencher<'_, '_>) {
    let payload = Payload::encode(&order()).expect("an order has an encoding");
    bencher.bench_local(|| payload.to_json());
}

#[divan::bench]
fn job_id_generate() -> JobId {
    JobId::generate(&SystemClock::default())
}

#[divan::bench]
fn job_id_from_key() -> JobId {
    JobId::from_key("invoice-4711-reminder")
}

#[divan::bench]
fn unique_key() -> jobq_core::Result<UniqueKey> {
    UniqueKey::new("crm.sync", &(7_u32, "customer", 4711_u64))
}

#[divan::bench]
fn backoff_delay(bencher: divan::Bencher<'_, '_>) {
    let mut random = SeededRandom::new(1);
    let backoff = Backoff::exponential(Duration::from_secs(2), Duration::from_secs(600));
    bencher.bench_local(|| backoff.delay(divan::black_box(7), &mut random));
}

fn main() {
    divan::main();
}
