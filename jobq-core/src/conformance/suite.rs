//! The list of all behaviours, and the macro that makes tests of them.

/// Makes a test of every behaviour, on the store that a [`Fixture`](crate::conformance::Fixture) gives.
///
/// The tests are in modules named after the chapters: `conformance::reclaim::a_crash_uses_no_attempt`.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    ($fixture:ty) => {
        $crate::__conformance_chapters! { $fixture,
            enqueue {
                an_enqueued_job_is_ready
                a_job_comes_back_as_it_was_enqueued
                a_plain_job_comes_back_plain
                any_bytes_may_be_a_payload
                a_payload_may_be_empty
                the_backend_stamps_the_time_of_the_enqueue
                answers_are_in_the_order_of_the_jobs
                an_empty_batch_adds_nothing
                a_large_batch_is_added_whole_and_in_order
                a_batch_may_span_queues
                a_waiting_job_is_not_added_again
                a_leased_job_is_not_added_again
                a_scheduled_job_is_not_added_again
                a_dead_job_is_not_added_again
                a_kept_job_is_not_added_again
                the_id_of_a_job_that_is_gone_is_free
                a_duplicate_changes_nothing
                the_same_job_twice_in_a_batch_is_added_once
                a_bad_record_refuses_the_whole_batch
                jobs_may_be_added_while_others_are_leased
            }
            limits {
                the_largest_payload_is_kept
                the_longest_names_are_kept
                the_greatest_numbers_are_kept
                the_smallest_numbers_are_kept
                the_largest_metadata_is_kept
                extreme_ids_are_kept
                no_attempts_are_refused
                too_many_attempts_are_refused
                impossible_crashes_are_refused
                a_version_of_zero_is_refused
                a_timeout_of_zero_is_refused
                an_impossible_retention_is_refused
                too_much_metadata_is_refused
            }
            schedule {
                a_job_for_later_is_scheduled
                a_job_is_not_leased_before_its_time
                a_job_is_leased_at_its_time
                a_job_may_be_due_at_an_instant
                an_instant_in_the_past_is_now
                the_present_instant_is_now
                a_delay_of_zero_is_now
                a_job_may_wait_for_years
                maintenance_promotes_what_is_due
                maintenance_leaves_what_is_not_due
                maintenance_promotes_no_more_than_its_limit
                maintenance_with_no_room_does_nothing
                an_exchange_without_a_lease_promotes
                due_jobs_come_in_the_order_of_their_times
                the_longest_delay_delays_nothing_else
                jobs_due_together_are_promoted_by_priority
                jobs_due_together_of_one_priority_come_by_id
                a_promoted_job_goes_behind_those_that_are_ready
                a_promoted_job_keeps_its_priority
            }
            order {
                jobs_of_one_priority_come_in_their_order
                jobs_leased_one_by_one_come_in_their_order
                ids_do_not_decide_the_order_of_ready_jobs
                a_higher_priority_goes_first
                the_default_priority_goes_last
                every_level_goes_before_the_one_below
                priorities_do_not_mix_up_the_order_within
                a_lease_goes_on_with_the_next_priority
                a_late_urgent_job_overtakes
                a_retried_job_goes_to_the_back
                a_gap_does_not_change_the_order
                the_list_of_ready_jobs_is_in_the_order_of_leasing
            }
            lease {
                no_more_jobs_are_leased_than_asked_for
                fewer_jobs_than_asked_for_are_leased_if_there_are_no_more
                an_empty_queue_leases_nothing
                an_unknown_queue_leases_nothing
                a_limit_of_zero_leases_nothing
                without_a_request_nothing_is_leased
                a_leased_job_is_not_leased_again
                a_lease_says_who_holds_it_and_until_when
                a_first_lease_has_no_past
                each_lease_has_the_length_that_was_asked_for
                a_leased_job_shows_its_holder
                tokens_grow_within_a_batch
                tokens_grow_from_lease_to_lease
                tokens_grow_from_attempt_to_attempt
                a_lease_takes_from_its_queue_alone
                the_next_due_job_is_announced
                the_next_expiry_is_announced
                the_earlier_of_due_and_expiry_is_announced
                an_idle_queue_announces_nothing
                a_full_lease_announces_nothing
                two_workers_never_share_a_job
            }
            settle {
                an_acked_job_is_gone
                a_job_with_a_retention_is_kept_with_its_result
                a_kept_job_may_have_no_result
                a_result_without_a_retention_is_dropped
                a_kept_job_is_not_leased_again
                answers_are_in_the_order_of_the_settlements
                many_leases_may_be_settled_in_one_step
                what_a_settlement_frees_can_be_leased_at_once
                an_exchange_settles_and_leases
                a_lease_is_settled_once
                the_second_settlement_of_a_batch_is_lost
                an_empty_exchange_does_nothing
                an_unknown_job_is_lost
                another_workers_lease_is_lost
                a_made_up_token_is_lost
                a_lease_of_another_queue_is_lost
                a_ready_job_cannot_be_settled
                a_cancelled_lease_ends_the_job
                a_cancelled_lease_is_kept_with_a_retention
            }
            retry {
                a_retry_waits_for_its_delay
                the_delay_counts_from_the_settlement
                a_retry_uses_an_attempt
                a_retry_counts_no_crash
                a_failure_is_remembered
                every_kind_of_failure_is_remembered
                failures_are_in_their_order
                the_oldest_failures_are_forgotten
                a_long_message_is_kept
                a_retry_without_delay_comes_back_at_once
                a_retry_without_delay_goes_to_the_back
                a_retry_is_obeyed_beyond_the_last_attempt
                a_retry_does_not_change_the_record
                a_retried_job_is_held_by_nobody
            }
            snooze {
                a_snoozed_job_comes_back_after_its_delay
                a_snooze_uses_no_attempt
                a_snooze_keeps_what_went_wrong_before
                a_snoozed_job_goes_to_the_back
                a_snooze_of_zero_comes_back_at_once
            }
            release {
                a_released_job_goes_to_the_front
                a_release_uses_no_attempt
                a_release_keeps_what_went_wrong_before
                a_released_job_does_not_overtake_a_higher_priority
                of_several_released_jobs_the_last_is_first
            }
            dead {
                a_dead_job_is_kept
                a_dead_job_is_not_leased
                a_dead_job_keeps_its_failures
                death_counts_the_attempt_that_failed
                a_dead_job_keeps_its_report
                dead_jobs_are_listed_oldest_first
                a_dead_job_needs_no_retention
            }
            extend {
                an_extension_counts_from_now
                an_extended_lease_outlives_its_first_end
                an_extended_lease_expires_in_the_end
                an_extension_may_shorten_a_lease
                an_extension_changes_neither_token_nor_attempt
                an_extended_lease_can_be_settled
                a_lease_may_be_extended_again_and_again
                an_expired_lease_is_extended_whole_or_not_at_all
                a_settled_lease_is_not_extended
                a_retried_lease_is_not_extended
                another_workers_lease_is_not_extended
                answers_are_in_the_order_of_the_leases
                no_leases_need_no_extension
                a_lease_of_another_queue_is_not_extended
                an_extension_brings_the_request_to_cancel
            }
            report {
                a_report_can_be_seen
                a_job_that_said_nothing_has_an_empty_report
                a_report_replaces_the_one_before
                a_full_log_is_kept
                a_report_does_not_extend_the_lease
                a_report_after_the_end_is_lost
                another_workers_report_is_lost
                a_report_of_an_unknown_job_is_lost
                a_report_outlives_its_attempt
                a_kept_job_keeps_its_report
                a_report_is_gone_with_its_job
            }
            reclaim {
                a_lease_is_not_reclaimed_before_it_expires
                a_lease_is_reclaimed_when_it_expires
                an_exchange_reclaims_and_leases_in_one_step
                an_exchange_without_a_lease_reclaims
                a_crash_uses_no_attempt
                a_crash_is_remembered
                crashes_and_failures_are_counted_apart
                a_reclaimed_job_goes_to_the_front
                a_reclaimed_job_does_not_overtake_a_higher_priority
                the_earliest_expiry_comes_first
                jobs_that_expire_together_keep_their_order
                maintenance_reclaims_no_more_than_its_limit
                a_job_that_crashes_too_often_is_dead
                a_job_allowed_one_crash_dies_of_the_first
                crashes_alone_make_a_poison_pill
                a_late_settlement_counts_if_nobody_was_faster
                an_exchange_settles_before_it_reclaims
                a_lease_of_zero_expires_at_once
                maintenance_of_an_unknown_queue_does_nothing
                a_settled_lease_does_not_expire
            }
            fencing {
                a_late_ack_after_a_reclaim_is_lost
                a_late_retry_changes_nothing
                a_late_snooze_changes_nothing
                a_late_release_changes_nothing
                a_late_death_changes_nothing
                a_late_cancel_changes_nothing
                a_late_extension_changes_nothing
                a_late_report_changes_nothing
                a_late_ack_does_not_end_a_job_that_waits_again
                the_former_lease_of_the_same_worker_is_lost
                a_late_ack_after_the_end_is_lost
                a_late_ack_does_not_revive_a_dead_job
                a_lease_of_a_former_life_is_lost
                a_late_ack_frees_no_unique_key
                a_stale_settlement_spoils_no_other
            }
            forfeit {
                forfeited_jobs_are_ready_again
                kept_leases_are_still_held
                other_workers_forfeit_nothing
                a_forfeit_counts_nothing
                forfeited_jobs_go_to_the_front_in_their_order
                a_stale_proof_keeps_nothing
                a_second_forfeit_finds_nothing
                an_unknown_queue_forfeits_nothing
                a_forfeited_lease_is_lost
            }
            unique {
                a_held_key_refuses_a_second_job
                two_jobs_of_a_key_in_one_batch_are_one
                another_key_is_free
                a_key_holds_in_its_queue_alone
                jobs_without_a_key_do_not_meet
                a_scheduled_job_holds_its_key
                a_leased_job_holds_its_key
                a_retried_job_holds_its_key
                a_released_job_holds_its_key
                a_reclaimed_job_holds_its_key
                a_completed_job_frees_its_key
                a_kept_job_has_freed_its_key
                a_dead_job_frees_its_key
                a_poison_pill_frees_its_key
                a_cancelled_job_frees_its_key
                a_cancelled_scheduled_job_frees_its_key
                a_job_that_cancels_itself_frees_its_key
                a_deleted_job_frees_its_key
                deleting_a_dead_job_leaves_its_successors_key
                pruning_a_kept_job_leaves_its_successors_key
                a_known_id_is_answered_before_a_held_key
                a_refused_job_leaves_nothing_behind
                a_key_may_be_held_again_and_again
            }
            cancel {
                a_ready_job_ends_at_once
                a_scheduled_job_ends_at_once
                a_retried_job_ends_at_once
                a_cancelled_job_is_kept_with_a_retention
                a_leased_job_is_asked_to_end
                a_request_may_be_repeated
                a_retry_after_a_request_cancels
                a_snooze_after_a_request_cancels
                a_release_after_a_request_cancels
                a_death_after_a_request_cancels
                a_cancel_after_a_request_cancels
                a_success_after_a_request_is_a_success
                a_settlement_after_a_request_keeps_with_a_retention
                a_reclaim_after_a_request_cancels
                a_reclaim_after_a_request_makes_no_dead_job
                a_forfeit_after_a_request_cancels
                an_ended_job_has_ended
                an_unknown_job_is_not_found
                a_job_that_is_gone_is_not_found
                answers_are_in_the_order_of_the_ids
                a_request_is_about_one_job
            }
            requeue {
                a_requeued_job_is_ready
                a_requeued_job_goes_to_the_back
                a_requeued_job_keeps_its_priority
                a_requeue_gives_back_the_attempts
                a_requeue_forgives_the_crashes
                a_requeue_keeps_the_history
                a_requeued_job_can_be_completed
                tokens_grow_across_a_requeue
                a_requeued_job_holds_its_key_again
                a_held_key_stands_in_the_way
                a_freed_key_stands_in_nobodys_way
                two_dead_jobs_of_one_key_do_not_both_come_back
                a_job_that_is_not_dead_stays_as_it_is
                a_job_is_requeued_once
                answers_are_in_the_order_of_the_ids
            }
            delete {
                a_ready_job_is_deleted
                a_scheduled_job_is_deleted
                a_dead_job_is_deleted
                a_kept_job_is_deleted
                a_cancelled_job_is_deleted
                a_leased_job_is_not_deleted
                a_job_is_deleted_once
                the_id_of_a_deleted_job_is_free
                answers_are_in_the_order_of_the_ids
            }
            prune {
                a_completed_job_is_kept_for_its_retention
                a_completed_job_is_pruned_after_its_retention
                a_cancelled_job_is_pruned_after_its_retention
                retentions_end_one_by_one
                a_retention_counts_from_the_end
                a_live_job_is_never_pruned
                the_id_of_a_pruned_job_is_free
                a_dead_job_is_kept_for_its_age
                a_dead_job_is_pruned_at_its_age
                as_many_dead_jobs_are_kept_as_may_be
                the_oldest_dead_jobs_make_room
                maintenance_prunes_no_more_than_its_limit
                maintenance_prunes_all_sorts_in_the_end
            }
            pause {
                a_paused_queue_leases_nothing
                a_resumed_queue_leases_again
                a_paused_queue_takes_jobs
                what_runs_goes_on
                a_paused_queue_promotes
                a_paused_queue_reclaims
                a_pause_can_be_seen
                a_pause_is_for_one_queue
                pause_and_resume_may_be_repeated
                a_queue_can_be_paused_before_its_first_job
                an_unknown_queue_can_be_resumed
            }
            inspect {
                jobs_are_counted_by_state
                an_unknown_queue_is_empty
                used_queues_are_listed_by_name
                an_emptied_queue_is_listed
                a_paused_queue_is_listed
                an_unused_queue_is_not_listed
                a_job_is_located_in_its_queue
                an_ended_job_is_located_while_it_is_kept
                an_unknown_job_is_located_nowhere
                a_job_is_not_seen_in_another_queue
                a_fresh_job_has_a_plain_view
                a_listed_view_is_the_view_of_the_job
                a_list_holds_one_state
                scheduled_jobs_are_listed_by_their_time
                leased_jobs_are_listed_by_their_expiry
                kept_jobs_are_listed_by_their_end
                a_list_is_read_page_by_page
                a_list_of_dead_jobs_is_read_page_by_page
                the_oldest_ready_job_can_be_seen
            }
            wake {
                a_new_job_wakes_a_worker
                a_job_before_the_wait_wakes_a_worker
                a_worker_learns_which_queue_it_is
                no_queue_drowns_out_another
                what_a_lease_leaves_behind_wakes_another_worker
                a_lower_priority_left_behind_wakes_another_worker
                an_earlier_scheduled_job_wakes_a_worker
                the_first_scheduled_job_wakes_a_worker
                a_mixed_batch_wakes_a_worker
                a_released_job_wakes_a_worker
                a_retry_wakes_a_worker
                a_forfeited_job_wakes_a_worker
                a_reclaimed_job_wakes_a_worker
                a_promoted_job_wakes_a_worker
                a_requeued_job_wakes_a_worker
                a_resumed_queue_wakes_a_worker
                a_dropped_wait_loses_no_wake_up
                two_jobs_keep_two_workers_busy
                an_idle_worker_is_not_woken_again_and_again
                a_paused_queue_wakes_nobody
            }
            heartbeat {
                a_worker_that_was_heard_of_lives
                a_silent_worker_is_forgotten
                a_heartbeat_keeps_a_worker_alive
                the_newest_heartbeat_counts
                a_farewell_ends_a_workers_life
                a_farewell_may_be_repeated
                workers_are_listed_by_their_start
                without_a_request_the_signals_stay
                a_restart_is_heard_by_every_worker
                every_restart_is_a_new_one
                a_working_store_answers_a_ping
                a_detached_handle_is_the_same_store
            }
            model {
                random_operations_1
                random_operations_2
                random_operations_3
                random_operations_4
                fresh_random_operations
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_chapters {
    ($fixture:ty, $($chapter:ident { $($behaviour:ident)* })*) => {
        mod conformance {
            #[allow(unused_imports, reason = "the fixture may be named by a full path")]
            use super::*;

            $(mod $chapter {
                #[allow(unused_imports, reason = "the fixture may be named by a full path")]
                use super::*;

                $(#[test]
                fn $behaviour() {
                    $crate::conformance::run::<$fixture>(
                        $crate::conformance::$chapter::$behaviour,
                    );
                })*
            })*
        }
    };
}

#[cfg(test)]
mod tests {
    /// A behaviour that is not in the list would be tested nowhere.
    #[test]
    fn every_behaviour_is_in_the_list() {
        let chapters = [
            ("enqueue", include_str!("enqueue.rs")),
            ("limits", include_str!("limits.rs")),
            ("schedule", include_str!("schedule.rs")),
            ("order", include_str!("order.rs")),
            ("lease", include_str!("lease.rs")),
            ("settle", include_str!("settle.rs")),
            ("retry", include_str!("retry.rs")),
            ("snooze", include_str!("snooze.rs")),
            ("release", include_str!("release.rs")),
            ("dead", include_str!("dead.rs")),
            ("extend", include_str!("extend.rs")),
            ("report", include_str!("report.rs")),
            ("reclaim", include_str!("reclaim.rs")),
            ("fencing", include_str!("fencing.rs")),
            ("forfeit", include_str!("forfeit.rs")),
            ("unique", include_str!("unique.rs")),
            ("cancel", include_str!("cancel.rs")),
            ("requeue", include_str!("requeue.rs")),
            ("delete", include_str!("delete.rs")),
            ("prune", include_str!("prune.rs")),
            ("pause", include_str!("pause.rs")),
            ("inspect", include_str!("inspect.rs")),
            ("wake", include_str!("wake.rs")),
            ("heartbeat", include_str!("heartbeat.rs")),
            ("model", include_str!("model.rs")),
        ];
        let listed: Vec<&str> = include_str!("suite.rs").lines().map(str::trim).collect();
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
}
