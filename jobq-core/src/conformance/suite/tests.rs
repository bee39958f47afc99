//! Whether the list is whole.

/// A behaviour that is not in the list would be tested nowhere.
#[test]
fn every_behaviour_is_in_the_list() {
    let chapters = [
        ("enqueue", include_str!("../enqueue.rs")),
        ("limits", include_str!("../limits.rs")),
        ("schedule", include_str!("../schedule.rs")),
        ("order", include_str!("../order.rs")),
        ("lease", include_str!("../lease.rs")),
        ("settle", include_str!("../settle.rs")),
        ("retry", include_str!("../retry.rs")),
        ("snooze", include_str!("../snooze.rs")),
        ("release", include_str!("../release.rs")),
        ("dead", include_str!("../dead.rs")),
        ("extend", include_str!("../extend.rs")),
        ("report", include_str!("../report.rs")),
        ("checkpoint", include_str!("../checkpoint.rs")),
        ("reclaim", include_str!("../reclaim.rs")),
        ("fencing", include_str!("../fencing.rs")),
        ("forfeit", include_str!("../forfeit.rs")),
        ("unique", include_str!("../unique.rs")),
        ("unique_modes", include_str!("../unique_modes.rs")),
        ("debounce", include_str!("../debounce.rs")),
        ("unique_running", include_str!("../unique_running.rs")),
        ("parents", include_str!("../parents.rs")),
        ("parent_failures", include_str!("../parent_failures.rs")),
        ("parents_refused", include_str!("../parents_refused.rs")),
        ("parents_to_come", include_str!("../parents_to_come.rs")),
        ("parents_elsewhere", include_str!("../parents_elsewhere.rs")),
        ("batches", include_str!("../batches.rs")),
        ("batch_ends", include_str!("../batch_ends.rs")),
        ("batches_called_off", include_str!("../batches_called_off.rs")),
        ("batch_callbacks", include_str!("../batch_callbacks.rs")),
        ("batches_elsewhere", include_str!("../batches_elsewhere.rs")),
        ("nested_batches", include_str!("../nested_batches.rs")),
        ("cancel", include_str!("../cancel.rs")),
        ("requeue", include_str!("../requeue.rs")),
        ("delete", include_str!("../delete.rs")),
        ("prune", include_str!("../prune.rs")),
        ("pause", include_str!("../pause.rs")),
        ("lanes", include_str!("../lanes.rs")),
        ("fairness", include_str!("../fairness.rs")),
        ("rates", include_str!("../rates.rs")),
        ("held_up", include_str!("../held_up.rs")),
        ("concurrency", include_str!("../concurrency.rs")),
        ("sizes", include_str!("../sizes.rs")),
        ("rest", include_str!("../rest.rs")),
        ("breaker", include_str!("../breaker.rs")),
        ("settings", include_str!("../settings.rs")),
        ("shared", include_str!("../shared.rs")),
        ("standing", include_str!("../standing.rs")),
        ("standing_model", include_str!("../standing_model.rs")),
        ("inspect", include_str!("../inspect.rs")),
        ("wake", include_str!("../wake.rs")),
        ("watch", include_str!("../watch.rs")),
        ("heartbeat", include_str!("../heartbeat.rs")),
        ("schedules", include_str!("../schedules.rs")),
        ("groups", include_str!("../groups.rs")),
        ("model", include_str!("../model.rs")),
        ("flow_model", include_str!("../flow_model.rs")),
    ];
    let listed: Vec<&str> = include_str!("../suite.rs").lines().map(str::trim).collect();
    for (chapter, source) in chapters {
        let heading = format!("{chapter} {{");
        let start = listed.iter().position(|line| *line == heading).unwrap() + 1;
        let behaviours: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
            .map(|(name, _)| name)
            .collect();
        let section: Vec<&str> =
            listed[start..].iter().copied().take_while(|line| *line != "}").collect();
        assert_eq!(section, behaviours, "the list of chapter {chapter}");
    }
}
