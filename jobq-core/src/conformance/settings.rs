//! Limits as people see them: who has set what, for what.

use super::Scene;
use super::scene::{SECOND, lane_key};
use crate::limits::{Breaker, LimitScope, LimitSetting, LimitSource, Limits, Rate};
use crate::name::LimitName;

/// Limits come back as they were set, all of them.
pub async fn limits_come_back_as_they_were_set(t: &Scene) {
    let all = Limits::new().concurrency(1_000_000_000).max_size(1_000_000_000_000);
    let of_queue = all.clone().rate(Rate::bucket(3, SECOND * 7, 1_000_000_000));
    let of_lanes = all
        .rate(Rate::sliding(1_000_000_000, SECOND * 3_600 * 24 * 366))
        .weight(100)
        .breaker(Breaker::new(65_535, SECOND));
    t.limit_queue(of_queue.clone()).await;
    t.limit_lanes(of_lanes.clone()).await;

    let queue = t.queue().clone();
    let code = LimitSource::Code;
    assert_eq!(
        settings(t, 9).await,
        [
            LimitSetting::new(LimitScope::Queue(queue.clone()), code, of_queue),
            LimitSetting::new(LimitScope::Lanes(queue), code, of_lanes.clone()),
        ]
    );
    assert_eq!(t.lane("a").await.limits, of_lanes);
}

/// Each source has its own: code first, then the operator, for the queue, for each lane, for single ones.
pub async fn each_source_has_limits_of_its_own(t: &Scene) {
    let queue = || t.queue().clone();
    let scopes = [
        LimitScope::Queue(queue()),
        LimitScope::Lanes(queue()),
        LimitScope::Lane(queue(), lane_key("a")),
        LimitScope::Lane(queue(), lane_key("b")),
    ];
    let mut expected = Vec::new();
    for (n, scope) in (1..).zip(&scopes) {
        for source in [LimitSource::Code, LimitSource::Operator] {
            let limits = Limits::new().concurrency(n);
            expected.push(LimitSetting::new(scope.clone(), source, limits));
        }
    }
    for setting in expected.iter().rev() {
        t.set_limits(setting.scope.clone(), setting.source, setting.limits.clone()).await;
    }

    assert_eq!(settings(t, 9).await, expected);
}

/// At most so many of those for single lanes are listed.
pub async fn a_list_of_limits_is_bounded(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    for lane in ["c", "a", "b"] {
        t.limit_lane(lane, Limits::new().concurrency(2)).await;
    }

    let scopes: Vec<_> = settings(t, 2).await.into_iter().map(|s| s.scope.to_string()).collect();
    let queue = t.queue();
    assert_eq!(
        scopes,
        [
            format!("queue {queue}"),
            format!("lane a of queue {queue}"),
            format!("lane b of queue {queue}"),
        ]
    );
    assert_eq!(settings(t, 0).await.len(), 1);
}

/// What a source sets takes the place of all it had set there; nothing takes it away.
pub async fn limits_take_the_place_of_earlier_ones(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(1).weight(3)).await;
    t.limit_lanes(Limits::new().weight(5)).await;
    assert_eq!(t.lane("a").await.limits, Limits::new().weight(5));

    t.limit_lanes(Limits::new()).await;
    assert_eq!(settings(t, 9).await, []);
}

/// A queue has no limits that nobody has set.
pub async fn an_unknown_queue_has_no_limits(t: &Scene) {
    assert_eq!(settings(t, 9).await, []);
}

/// Limits of lanes outlast the lanes themselves.
pub async fn limits_outlast_idleness(t: &Scene) {
    t.limit_lane("a", Limits::new().concurrency(1)).await;
    t.fill("a", 1).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(SECOND * 3_600);
    t.maintain().await;

    assert_eq!(t.lane("a").await.limits, Limits::new().concurrency(1));
    t.fill("a", 2).await;
    assert_eq!(t.lease(9).await.len(), 1);
}

/// Limits alone make no queue that people would see.
pub async fn limits_make_no_queue(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;

    let queues = t.store().queues().await.unwrap();
    assert!(queues.iter().all(|stats| stats.queue != *t.queue()));
}

/// A shared limit is listed with the others of its kind.
pub async fn shared_limits_are_listed(t: &Scene) {
    let name = fresh_name();
    let scope = LimitScope::Shared(name.clone());
    let limits = Limits::new().concurrency(2).rate(Rate::fixed(5, SECOND));
    t.set_limits(scope.clone(), LimitSource::Operator, limits.clone()).await;
    t.limit_queue(Limits::new().shared(name)).await;

    let listed = t.store().shared_limits().await.unwrap();
    let setting = LimitSetting::new(scope.clone(), LimitSource::Operator, limits);
    assert!(listed.contains(&setting), "{listed:?}");
    t.set_limits(scope.clone(), LimitSource::Operator, Limits::new()).await;
    let listed = t.store().shared_limits().await.unwrap();
    assert!(listed.iter().all(|setting| setting.scope != scope), "{listed:?}");
}

async fn settings(t: &Scene, limit: usize) -> Vec<LimitSetting> {
    t.store().limits(t.queue(), limit).await.unwrap()
}

/// The name of a shared limit that nobody else uses.
fn fresh_name() -> LimitName {
    LimitName::new(super::scene::fresh_queue().as_str()).unwrap()
}
