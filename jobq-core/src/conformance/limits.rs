//! The largest that must be kept, and what is refused.

use std::time::Duration;

use super::Scene;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::name::{Kind, QueueName};
use crate::payload::{MAX_PAYLOAD_BYTES, Payload};
use crate::record::JobRecord;

/// A payload of the greatest size comes back whole.
pub async fn the_largest_payload_is_kept(t: &Scene) {
    let bytes: Vec<u8> = (0..=250).cycle().take(MAX_PAYLOAD_BYTES).collect();
    let payload = Payload::from_bytes(bytes).unwrap();
    t.enqueue_with(|record| record.payload = payload.clone()).await;

    assert!(t.lease_one().await.job.payload == payload);
}

/// The longest names are kept.
pub async fn the_longest_names_are_kept(t: &Scene) {
    let long = "x".repeat(84);
    let queue = QueueName::new(format!("{long}{:016x}", fastrand::u64(..))).unwrap();
    let kind = Kind::new("k".repeat(100)).unwrap();
    let id = t
        .enqueue_with(|record| {
            record.queue = queue.clone();
            record.kind = kind.clone();
        })
        .await;

    let view = t.store().job(&queue, id).await.unwrap().expect("the job");
    assert_eq!((view.record.queue, view.record.kind), (queue, kind));
}

/// The greatest numbers are kept.
pub async fn the_greatest_numbers_are_kept(t: &Scene) {
    let mut job = t.job_with(|record| {
        record.version = 65_535;
        record.max_attempts = 65_535;
        record.max_crashes = 255;
        record.timeout = Some(Duration::from_millis(u32::MAX.into()));
        record.retention = Some(Duration::from_secs(u32::MAX.into()));
    });
    t.add(&job).await;

    job.record.enqueued_at = t.now();
    assert_eq!(t.lease_one().await.job, job.record);
}

/// The smallest numbers are kept.
pub async fn the_smallest_numbers_are_kept(t: &Scene) {
    let mut job = t.job_with(|record| {
        record.max_attempts = 1;
        record.max_crashes = 1;
        record.timeout = Some(Duration::from_millis(1));
        record.retention = Some(Duration::from_secs(1));
    });
    t.add(&job).await;

    job.record.enqueued_at = t.now();
    assert_eq!(t.lease_one().await.job, job.record);
}

/// Metadata of the greatest size comes back whole.
pub async fn the_largest_metadata_is_kept(t: &Scene) {
    let mut job = t.job();
    for n in 0..16 {
        job.record.metadata.insert(format!("{n:06}"), "v".repeat(250));
    }
    t.add(&job).await;

    assert_eq!(t.lease_one().await.job.metadata, job.record.metadata);
}

/// Ids are any 16 bytes.
pub async fn extreme_ids_are_kept(t: &Scene) {
    let ids = [JobId::from_bytes([0; 16]), JobId::from_bytes([0xff; 16])];
    for id in ids {
        t.enqueue_with(|record| record.id = id).await;
    }

    assert_eq!(t.lease_ids(2).await, ids);
}

/// A job that may never be tried is refused.
pub async fn no_attempts_are_refused(t: &Scene) {
    assert_refused(t, |record| record.max_attempts = 0).await;
}

/// A job with more attempts than can be counted is refused.
pub async fn too_many_attempts_are_refused(t: &Scene) {
    assert_refused(t, |record| record.max_attempts = 65_536).await;
}

/// A job that may crash more often than can be counted, or not even once, is refused.
pub async fn impossible_crashes_are_refused(t: &Scene) {
    assert_refused(t, |record| record.max_crashes = 0).await;
    assert_refused(t, |record| record.max_crashes = 256).await;
}

/// Versions start at one.
pub async fn a_version_of_zero_is_refused(t: &Scene) {
    assert_refused(t, |record| record.version = 0).await;
}

/// A timeout of no time is refused.
pub async fn a_timeout_of_zero_is_refused(t: &Scene) {
    assert_refused(t, |record| record.timeout = Some(Duration::ZERO)).await;
}

/// A retention shorter than a second, or longer than can be stored, is refused.
pub async fn an_impossible_retention_is_refused(t: &Scene) {
    assert_refused(t, |record| record.retention = Some(Duration::ZERO)).await;
    assert_refused(t, |record| record.retention = Some(Duration::MAX)).await;
}

/// Metadata beyond its limit is refused.
pub async fn too_much_metadata_is_refused(t: &Scene) {
    assert_refused(t, |record| record.metadata.insert("k", "v".repeat(4_096))).await;
}

async fn assert_refused(t: &Scene, spoil: impl FnOnce(&mut JobRecord)) {
    let job = t.job_with(spoil);
    let refusal = t.store().enqueue_jobs(&[job]).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::InvalidInput);
    t.assert_pristine().await;
}
