//! The list of all behaviours, and the macro that makes tests of them.

/// Makes a test of every behaviour, on the store that a [`Fixture`](crate::conformance::Fixture) gives.
///
/// The tests are in modules named after the chapters: `conformance::reclaim::a_crash_uses_no_attempt`.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    ($fixture:ty) => {
        $crate::__conformance_suite! { @__conformance_chapters $fixture }
    };
    (@$then:ident $fixture:ty) => {
        $crate::$then! { $fixture,
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
                an_absurd_delay_is_refused
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
            checkpoint {
                a_first_attempt_has_no_checkpoint
                a_retry_goes_on_from_the_checkpoint
                a_crash_loses_no_checkpoint
                a_snoozed_or_released_job_keeps_its_checkpoint
                a_later_checkpoint_takes_the_place_of_an_earlier_one
                a_checkpoint_is_kept_by_an_attempt_that_saves_none
                an_empty_checkpoint_takes_it_away
                any_bytes_may_be_a_checkpoint
                the_largest_checkpoint_is_kept
                too_large_a_checkpoint_is_refused
                a_lost_lease_saves_nothing
                a_settled_lease_saves_nothing
                a_dead_job_keeps_its_checkpoint
                a_checkpoint_goes_with_its_job
                a_kept_job_leaves_no_checkpoint
                a_deleted_job_leaves_no_checkpoint
                every_job_has_a_checkpoint_of_its_own
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
            unique_modes {
                until_started_refuses_while_waiting
                until_started_is_free_when_leased
                until_started_is_not_taken_back
                until_started_is_free_when_called_off
                until_started_is_held_after_a_requeue
                a_throttle_refuses_for_its_time
                a_throttle_outlasts_its_job
                a_throttle_outlasts_a_prune
                a_throttle_ends_before_its_job
                a_throttle_ends_with_a_cancelled_or_deleted_job
                a_throttle_is_freed_by_nobody_else
                a_requeue_knows_no_throttle
                a_throttle_leaves_nothing_behind
                a_debounced_job_waits_for_its_delay
                a_debounced_job_takes_the_place_of_the_one_before
                a_replaced_job_is_cancelled
                a_debounce_is_put_off_for_so_long_at_most
                a_debounce_past_its_time_is_due_at_once
                a_ready_debounced_job_is_replaced
                a_running_debounced_job_is_left_alone
                debounced_jobs_of_one_call_replace_each_other
                a_called_off_debounced_job_ends_its_row
                the_newest_mode_decides
                a_running_holder_is_not_replaced
                an_ended_holder_is_not_replaced
                a_job_that_takes_its_key_again_begins_a_row
                an_old_throttle_takes_nobodys_place
                impossible_times_are_refused
                a_job_keeps_its_mode
                the_holder_of_a_key_can_be_seen
                the_holder_of_a_throttle_is_seen_for_its_time
            }
            unique_running {
                jobs_of_a_key_run_one_after_the_other
                a_job_that_is_held_back_is_ready
                every_end_of_a_lease_frees_the_key
                bad_ends_free_the_key_too
                a_late_settlement_frees_no_running_key
                a_job_that_is_let_go_goes_first
                a_freed_key_wakes_a_worker
                a_called_off_job_is_not_let_go
                a_turn_that_is_not_taken_goes_to_the_next
                a_job_that_was_not_let_go_has_no_turn_to_leave
                a_held_back_job_holds_up_nobody
                a_held_back_job_takes_nothing_of_a_rate
                a_key_may_span_lanes
                a_requeue_waits_for_the_running_key
                no_two_jobs_of_a_key_run_at_once
                the_latest_takes_the_place_of_the_one_that_waits
                one_runs_and_the_latest_waits
                an_unfinished_attempt_is_the_latest_again
                an_unfinished_attempt_gives_way_to_a_later_job
                a_dead_latest_stays_dead
                both_holders_can_be_seen
                a_key_may_count_in_all_queues
                a_key_of_a_queue_is_another_than_everywhere
                a_key_everywhere_replaces_and_holds_back_nobody
            }
            parents {
                a_job_with_a_live_parent_waits
                a_parent_is_live_in_every_state_before_its_end
                a_child_is_leased_in_the_step_in_which_its_parent_completes
                a_child_waits_for_the_last_of_its_parents
                all_children_are_told
                a_child_wakes_a_worker
                the_delay_of_a_child_starts_with_the_end_of_its_parents
                a_child_may_be_due_at_an_instant
                an_attempt_that_does_not_end_its_job_tells_nobody
                a_completed_parent_counts_at_once
                a_child_reads_the_results_of_its_parents
                a_child_reads_the_result_of_a_kept_parent
                parents_that_have_not_ended_are_not_told
                parents_are_known_as_long_as_their_child
                a_later_attempt_knows_the_parents
                a_waiting_job_can_be_cancelled
                a_waiting_job_can_be_deleted
                a_waiting_job_holds_its_key
                a_child_becomes_ready_while_the_queue_is_paused
                a_waiting_job_is_not_added_again
            }
            parent_failures {
                a_dead_parent_fails_its_child
                every_way_to_end_badly_fails_a_child
                a_child_may_be_skipped
                a_child_may_continue
                a_failed_parent_counts_at_once
                a_kept_cancelled_parent_counts_as_failed
                one_failed_parent_is_enough
                a_failure_goes_down_the_line
                a_requeued_parent_does_not_bring_back_its_children
                a_requeued_child_runs
            }
            parents_refused {
                an_unknown_parent_is_refused
                a_parent_that_left_nothing_behind_is_refused
                a_known_child_may_be_enqueued_again_without_its_parents
                a_parent_may_come_in_the_same_call
                a_parent_that_comes_later_in_the_same_call_is_refused
                a_parent_in_the_same_call_may_not_be_a_duplicate
                too_many_parents_are_refused
                too_many_children_are_refused
                impossible_families_are_refused
            }
            parents_to_come {
                a_parent_may_be_enqueued_after_its_child
                a_parent_to_come_may_come_first
                a_parent_to_come_may_have_ended
                the_first_end_of_a_parent_to_come_counts
                a_parent_to_come_may_have_failed
                a_child_is_waited_for_a_day
                a_repeated_enqueue_adds_children
                a_repeated_enqueue_of_an_ended_parent_tells_children
                a_child_that_is_told_comes_in_its_turn
            }
            parents_elsewhere {
                a_child_is_told_in_its_own_queue
                a_child_is_told_once
                a_child_elsewhere_wakes_a_worker
                a_child_may_have_parents_in_several_queues
                a_parent_may_have_children_in_several_queues
                a_chain_may_go_back_and_forth
                a_failure_elsewhere_is_told
                a_failure_goes_down_the_line_elsewhere
                an_ended_parent_elsewhere_counts_at_once
                an_unknown_parent_elsewhere_is_refused
                a_refused_child_leaves_nothing_behind
                a_parent_elsewhere_may_come_in_the_same_call
                a_parent_elsewhere_may_be_to_come
                a_parent_elsewhere_may_end_before_its_child_comes
                a_child_elsewhere_is_waited_for_a_day
                a_repeated_enqueue_completes_one_cut_short
                a_cancelled_child_elsewhere_stays_cancelled
            }
            batches {
                an_open_batch_is_known
                an_unknown_batch_is_not_known
                a_batch_is_opened_once
                a_long_name_is_kept
                impossible_batches_are_refused
                jobs_are_counted_from_their_enqueue
                every_end_is_counted
                jobs_that_are_kept_are_counted_once
                what_does_not_end_a_job_is_not_counted
                duplicates_are_not_counted
                a_replaced_job_is_counted_as_cancelled
                a_duplicate_stays_with_its_batch
                batches_are_counted_apart
                a_waiting_job_is_pending
                a_job_that_ends_with_its_enqueue_is_counted
                a_requeued_job_is_pending_again
                a_refused_requeue_is_not_counted
                the_dead_jobs_of_a_batch_are_found
                a_deleted_dead_job_stays_counted
                a_pruned_dead_job_stays_counted
            }
            batch_ends {
                an_open_batch_does_not_end
                a_closed_batch_ends_with_its_last_job
                a_batch_may_end_with_its_closing
                an_empty_batch_ends_when_it_is_closed
                a_batch_is_closed_once
                a_closed_batch_can_be_added_to
                a_batch_that_has_ended_cannot_be_added_to
                a_known_job_may_be_enqueued_again_after_the_end
                a_retried_batch_can_be_added_to
                batches_are_listed_newest_first
                a_batch_is_forgotten_after_its_retention
                a_forgotten_batch_leaves_nothing_behind
                a_batch_that_goes_on_is_not_forgotten
                a_retried_batch_is_kept_from_its_new_end
                a_job_may_outlive_its_batch
            }
            batches_called_off {
                jobs_of_a_batch_called_off_are_not_leased
                a_running_job_is_not_called_off
                a_job_that_has_started_is_not_called_off
                a_job_added_to_a_batch_called_off_is_not_leased
                a_job_called_off_may_be_kept
                a_batch_that_has_ended_is_not_called_off
                the_first_failure_may_call_off_the_rest
                a_large_batch_is_called_off
            }
            batch_callbacks {
                success_and_completion_are_told_at_the_end
                a_failure_is_told_when_it_happens
                a_cancelled_job_is_told_as_a_failure
                a_failure_is_told_once
                success_is_told_after_a_retry
                completion_is_told_once
                an_empty_batch_tells_its_end
                a_batch_needs_no_callbacks
                a_callback_is_leased_in_the_step_in_which_the_batch_ends
                a_callback_wakes_a_worker
                a_callback_knows_its_batch
                a_callback_is_not_counted
                a_callback_may_come_later
                a_batch_keeps_its_first_callbacks
                a_crash_before_the_end_doubles_no_callback
                batches_that_end_together_each_tell_their_end
                callbacks_leave_nothing_behind
                impossible_callbacks_are_refused
            }
            batches_elsewhere {
                jobs_of_other_queues_are_counted_with_their_enqueue
                every_end_in_another_queue_is_counted
                a_batch_ends_with_its_last_job_elsewhere
                a_callback_may_go_to_another_queue
                a_callback_wakes_a_worker_elsewhere
                duplicates_elsewhere_are_not_counted
                refused_jobs_elsewhere_are_not_counted
                a_batch_of_duplicates_ends
                an_impossible_batch_elsewhere_is_refused
                a_known_job_elsewhere_may_be_enqueued_again
                a_job_may_add_to_its_batch_elsewhere
                a_dead_job_elsewhere_is_found_and_retried
                jobs_elsewhere_are_called_off
                jobs_elsewhere_stay_called_off
                a_failure_elsewhere_may_call_off_the_rest
                a_repeated_settlement_elsewhere_counts_once
                a_batch_leaves_nothing_behind_elsewhere
            }
            nested_batches {
                a_nested_batch_counts_as_one_job
                a_nested_batch_that_succeeds_is_done
                a_nested_batch_that_fails_has_failed
                a_nested_batch_that_is_retried_is_pending_again
                batches_may_be_nested_deeply
                a_batch_may_have_jobs_and_batches
                a_nested_batch_is_counted_once
                an_impossible_parent_is_refused
                a_closed_batch_may_count_another_one
                nested_batches_are_called_off_with_their_parent
                a_parent_is_not_called_off_with_a_nested_batch
                a_nested_failure_may_call_off_the_rest
                a_nested_batch_may_be_at_home_elsewhere
                a_nested_batch_elsewhere_is_called_off_with_its_parent
                nested_batches_leave_nothing_behind
            }
            cancel {
                a_ready_job_ends_at_once
                a_scheduled_job_ends_at_once
                a_retried_job_ends_at_once
                a_cancelled_job_is_kept_with_a_retention
                a_cancelled_job_that_comes_back_is_leased
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
                a_job_that_has_moved_on_is_not_deleted
                only_jobs_in_the_state_that_was_seen_are_deleted
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
            lanes {
                a_job_keeps_its_lane_and_cost
                odd_lane_keys_are_lanes
                a_lane_goes_first_in_first_out
                a_lane_goes_by_priority
                a_higher_priority_goes_before_other_lanes
                a_released_job_goes_to_the_front_of_its_lane
                reclaimed_jobs_go_to_the_front_of_their_lanes
                forfeited_jobs_go_to_the_front_of_their_lanes
                a_promoted_job_goes_to_the_back_of_its_lane
                a_retried_job_goes_to_the_back_of_its_lane
                a_requeued_job_goes_to_the_back_of_its_lane
                a_cancelled_job_leaves_its_lane
                a_deleted_job_leaves_its_lane
                a_lane_is_of_one_queue
                a_lane_shows_its_jobs
                an_unknown_lane_is_empty
                lanes_are_listed_by_key
                a_list_of_lanes_is_read_page_by_page
                an_idle_lane_is_listed_for_what_was_set
                ready_jobs_are_listed_lane_by_lane
                a_job_that_has_changed_to_a_lane_is_listed
                the_oldest_ready_job_of_a_lane_can_be_seen
                a_leased_job_of_a_lane_is_like_any_other
                many_lanes_leave_nothing_behind
                lanes_show_what_limits_them
            }
            fairness {
                lanes_take_turns
                ties_go_by_the_bytes_of_the_key
                turns_go_on_from_call_to_call
                many_turns_at_once_are_the_turns_one_by_one
                jobs_without_a_lane_are_a_lane
                jobs_without_a_lane_take_no_turns_while_alone
                jobs_of_one_call_come_to_wait_in_their_order
                a_called_off_job_without_a_lane_does_not_wait
                jobs_without_a_lane_wait_until_the_last_is_called_off
                a_lane_waits_on_when_a_job_makes_way_for_the_next
                a_new_lane_waits_for_one_turn_at_most
                a_crowd_holds_up_nobody_for_more_than_a_turn
                lanes_get_turns_by_their_weight
                shares_hold_over_short_stretches
                the_greatest_weight_gets_a_hundred_turns_for_one
                a_weight_of_its_own_counts_before_that_of_each
                a_changed_weight_counts_at_once
                an_idle_lane_saves_no_turns
                a_lane_that_was_just_served_waits_for_its_turn
                a_lane_gains_no_turn_by_changing_its_priority
                a_lane_gains_no_turn_by_a_cancelled_job
                turns_of_one_priority_cost_none_of_another
                a_lane_is_known_for_a_minute
                a_lane_is_new_after_a_minute
                maintenance_forgets_nothing_that_counts
                levels_are_served_from_the_top
            }
            kills {
                a_fixed_rate_holds_while_workers_are_killed
                a_sliding_rate_holds_while_workers_are_killed
                slots_are_neither_leaked_nor_doubled_by_kills
            }
            rates {
                a_fixed_rate_holds_for_each_window
                windows_are_aligned_to_the_clock
                an_unused_window_is_lost
                a_sliding_rate_holds_for_any_period
                a_fixed_rate_goes_on_though_the_clock_was_put_back
                a_sliding_rate_goes_on_though_the_clock_was_put_back
                a_bucket_goes_on_though_the_clock_was_put_back
                a_bucket_gives_its_burst_and_then_its_rate
                a_bucket_fills_in_parts
                a_bucket_holds_no_more_than_its_burst
                a_job_takes_its_cost
                a_costly_job_is_not_overtaken
                a_lane_comes_back_when_its_costly_job_is_called_off
                an_urgent_job_brings_a_lane_back
                a_cost_above_the_rate_takes_all_of_it
                a_used_up_lane_holds_up_no_other
                a_lane_comes_back_to_its_turn
                the_first_lane_to_come_back_is_announced
                what_comes_first_is_announced
                a_rate_of_the_queue_holds_for_all_jobs
                a_rate_of_a_queue_without_lanes_holds
                a_rate_of_a_queue_outlasts_maintenance
                nobody_overtakes_a_job_that_waits_for_the_queue
                rates_of_queue_and_lane_both_hold
                what_is_held_up_takes_nothing
                a_released_job_has_used_up_its_part
                every_attempt_takes_a_part
                a_raised_rate_holds_at_once
                a_lowered_rate_holds_at_once
                another_way_of_counting_starts_anew
                a_rate_can_be_taken_away
                a_rate_that_is_set_again_goes_on
                a_raised_rate_wakes_a_worker
                a_used_up_lane_wakes_nobody
                a_lane_shows_when_it_has_room
                each_of_many_lanes_has_its_rate
                an_operators_rate_counts_first
                rates_hold_over_a_random_time
            }
            concurrency {
                a_lane_has_as_many_leased_as_it_may
                every_end_of_a_lease_frees_its_slot
                a_kept_or_cancelled_job_frees_its_slot
                a_slot_is_free_in_the_step_that_frees_it
                a_crash_frees_its_slot
                a_poison_pill_frees_its_slot
                a_forfeit_frees_its_slots
                a_late_settlement_frees_no_slot
                an_extended_lease_holds_its_slot
                a_delete_frees_no_slot
                a_full_lane_announces_no_time
                a_lowered_limit_leaves_alone_what_runs
                a_new_limit_counts_what_runs
                a_raised_limit_wakes_a_worker
                a_freed_slot_wakes_a_worker
                a_slot_freed_by_maintenance_wakes_a_worker
                a_full_lane_wakes_nobody
                a_queue_has_as_many_leased_as_it_may
                a_queue_without_lanes_has_as_many_leased_as_it_may
                a_full_queue_looks_at_no_lane
                a_freed_slot_of_the_queue_wakes_a_worker
                a_raised_limit_of_the_queue_wakes_a_worker
                a_full_queue_wakes_nobody
                the_nearest_limit_counts
                limits_are_looked_up_one_by_one
                limits_may_be_set_again
                limits_are_of_one_queue
                slots_neither_leak_nor_are_given_twice
            }
            sizes {
                a_full_queue_refuses_a_job
                a_call_is_refused_whole
                a_refusal_says_what_is_full
                what_has_not_started_counts
                jobs_of_lanes_count_for_their_queue
                a_duplicate_needs_no_room
                duplicates_within_a_call_need_no_room
                a_replacement_needs_no_room
                a_full_lane_refuses_a_job
                a_full_lane_refuses_the_whole_call
                a_refusal_says_which_lane_is_full
                a_lane_counts_what_is_ready
                what_comes_back_is_never_refused
                a_lowered_size_leaves_what_is_there
                a_size_can_be_taken_away
                a_full_queue_fills_no_other
                a_refused_job_leaves_nothing
                absurd_limits_are_refused
            }
            rest {
                a_paused_lane_leases_nothing
                a_resumed_lane_leases_again
                a_lane_can_be_paused_before_its_first_job
                what_runs_in_a_paused_lane_goes_on
                a_pause_outlasts_idleness
                pausing_a_lane_may_be_repeated
                a_resumed_lane_wakes_a_worker
                a_paused_lane_wakes_nobody
                a_throttled_lane_rests
                a_lane_throttled_by_its_own_job_rests
                the_longer_rest_counts
                a_rest_of_zero_is_none
                a_lane_can_be_throttled_before_its_first_job
                a_resume_ends_a_rest
                a_rest_and_a_rate_must_both_be_over
                a_lane_saves_no_turns_while_it_rests
            }
            breaker {
                failures_in_a_row_make_a_lane_rest
                fewer_failures_make_no_rest
                a_success_ends_the_row
                a_row_of_failures_goes_by_the_order_of_settlements
                a_death_is_a_failure
                nothing_else_is_a_failure_or_a_success
                a_late_failure_counts_for_nothing
                a_lane_is_on_probation_after_its_rest
                a_success_ends_the_probation
                a_failure_on_probation_begins_the_next_rest
                a_release_on_probation_lets_the_next_one_try
                a_failure_during_the_rest_makes_it_longer
                a_success_during_the_rest_ends_the_row_alone
                a_resume_forgives_the_failures
                a_breaker_cuts_no_rest_short
                a_lane_without_a_breaker_never_rests
                the_nearest_breaker_counts
                a_rest_is_announced_to_who_waits
            }
            settings {
                limits_come_back_as_they_were_set
                each_source_has_limits_of_its_own
                a_list_of_limits_is_bounded
                limits_take_the_place_of_earlier_ones
                an_unknown_queue_has_no_limits
                limits_outlast_idleness
                limits_make_no_queue
                shared_limits_are_listed
            }
            shared {
                queues_share_their_slots
                a_slot_freed_in_one_queue_wakes_another
                a_slot_freed_by_a_crash_wakes_another_queue
                a_freed_shared_slot_wakes_its_own_queue
                a_raised_shared_limit_wakes_a_worker
                what_runs_counts_as_long_as_its_queue_takes_part
                queues_share_a_rate
                room_of_a_shared_rate_is_announced
                a_job_takes_its_cost_of_a_shared_rate
                a_queues_own_limit_holds_beside_a_shared_one
                an_operators_shared_limit_counts_first
                a_shared_limit_without_limits_limits_nothing
                absurd_shared_limits_are_refused
                shared_slots_neither_leak_nor_are_given_twice
            }
            standing {
                a_ready_job_waits_for_those_ahead
                a_job_of_a_lane_takes_turns_with_others
                a_lane_that_is_alone_takes_turns_with_nobody
                an_unknown_job_has_no_standing
                a_scheduled_job_says_when_it_is_due
                a_due_job_is_kept_back_by_nothing
                a_job_that_backs_off_says_when_it_is_due
                a_child_says_for_whom_it_waits
                a_pause_is_said
                a_full_queue_is_said
                a_used_up_queue_says_until_when
                a_costly_job_ahead_is_said
                a_full_lane_says_who_has_its_slots
                a_used_up_lane_says_until_when
                a_rest_is_said
                a_probation_is_said
                a_shared_limit_is_said
                a_held_key_is_said
                the_next_of_a_key_is_said
                a_batch_called_off_is_said
                a_batch_called_off_elsewhere_is_said
                all_blocks_are_said
                what_runs_or_has_ended_is_kept_back_by_nothing
                a_look_changes_nothing
                the_pace_of_a_queue_is_told
                standing_agrees_with_what_is_leased
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
                a_page_far_into_a_list_is_found_after_jobs_have_left
                a_list_of_dead_jobs_is_read_page_by_page
                the_oldest_ready_job_can_be_seen
                the_first_and_the_last_death_can_be_seen
                an_offset_past_everything_finds_nothing
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
            watch {
                what_is_there_is_seen_at_once
                nothing_is_seen_of_an_unknown_job
                a_change_before_the_wait_is_seen
                a_job_is_seen_to_come
                a_lease_is_seen
                a_promotion_is_seen
                a_report_is_seen
                the_last_of_several_reports_is_seen
                a_result_is_seen
                a_job_is_seen_to_be_gone
                the_error_of_a_dead_job_is_seen
                the_error_of_a_job_that_backs_off_is_seen
                a_reclaim_is_seen
                a_cancel_a_requeue_and_a_delete_are_seen
                a_prune_is_seen
                every_watcher_is_told
                other_jobs_are_not_seen
                a_watch_may_be_dropped
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
                a_detached_look_is_at_the_same_store
            }
            schedules {
                a_due_tick_is_enqueued
                a_tick_is_enqueued_once
                a_tick_stays_taken_when_its_job_is_gone
                the_next_tick_is_another_one
                an_earlier_tick_is_taken
                a_tick_from_before_the_definition_is_taken
                an_early_tick_waits
                a_stale_claim_comes_to_nothing
                an_older_definition_claims_nothing
                a_paused_schedule_claims_nothing
                a_mark_may_be_forgotten
                a_mark_of_a_later_revision_is_not_forgotten
                schedules_do_not_see_each_other
                a_mark_tells_of_the_last_tick
                a_tick_may_be_left_out
                what_is_live_is_told
                what_has_ended_is_not_live
                overlaps_need_not_matter
                a_tick_may_wait_for_another
                a_run_by_hand_is_no_tick
                a_duplicate_claims_its_tick
                a_refused_job_leaves_its_tick
                a_job_with_a_lane_is_enqueued_once_too
                a_job_of_another_queue_is_refused
                a_tick_wakes_a_worker
                claims_at_once_enqueue_each_tick_once
                entries_are_kept_by_group
                entries_are_changed
                a_change_based_on_an_old_revision_is_refused
                one_of_several_changes_at_once_is_made
                revisions_never_come_again
                schedulers_see_each_other
                an_absent_scheduler_is_forgotten
                a_scheduler_is_forgotten_though_the_clock_was_put_back
                somebody_who_only_asks_is_no_scheduler
            }
            model {
                random_operations_1
                random_operations_2
                random_flow_1
                random_flow_2
                random_flow_3
                random_flow_4
                fresh_random_operations
                fresh_random_flow
            }
            flow_model {
                random_families_1
                random_families_2
                random_families_3
                fresh_random_families
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

/// Every behaviour with its name, as `chapter::behaviour`, for who runs them otherwise than as a test each:
/// a slice of pairs of name and function.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_behaviours {
    ($fixture:ty) => {
        $crate::__conformance_suite! { @__conformance_list $fixture }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($fixture:ty, $($chapter:ident { $($behaviour:ident)* })*) => {
        [$($((
            concat!(stringify!($chapter), "::", stringify!($behaviour)),
            (|| {
                $crate::conformance::run::<$fixture>($crate::conformance::$chapter::$behaviour);
            }) as fn(),
        ),)*)*]
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
            ("checkpoint", include_str!("checkpoint.rs")),
            ("reclaim", include_str!("reclaim.rs")),
            ("fencing", include_str!("fencing.rs")),
            ("forfeit", include_str!("forfeit.rs")),
            ("unique", include_str!("unique.rs")),
            ("unique_modes", include_str!("unique_modes.rs")),
            ("unique_running", include_str!("unique_running.rs")),
            ("parents", include_str!("parents.rs")),
            ("parent_failures", include_str!("parent_failures.rs")),
            ("parents_refused", include_str!("parents_refused.rs")),
            ("parents_to_come", include_str!("parents_to_come.rs")),
            ("parents_elsewhere", include_str!("parents_elsewhere.rs")),
            ("batches", include_str!("batches.rs")),
            ("batch_ends", include_str!("batch_ends.rs")),
            ("batches_called_off", include_str!("batches_called_off.rs")),
            ("batch_callbacks", include_str!("batch_callbacks.rs")),
            ("batches_elsewhere", include_str!("batches_elsewhere.rs")),
            ("nested_batches", include_str!("nested_batches.rs")),
            ("cancel", include_str!("cancel.rs")),
            ("requeue", include_str!("requeue.rs")),
            ("delete", include_str!("delete.rs")),
            ("prune", include_str!("prune.rs")),
            ("pause", include_str!("pause.rs")),
            ("lanes", include_str!("lanes.rs")),
            ("fairness", include_str!("fairness.rs")),
            ("rates", include_str!("rates.rs")),
            ("concurrency", include_str!("concurrency.rs")),
            ("sizes", include_str!("sizes.rs")),
            ("rest", include_str!("rest.rs")),
            ("breaker", include_str!("breaker.rs")),
            ("settings", include_str!("settings.rs")),
            ("shared", include_str!("shared.rs")),
            ("standing", include_str!("standing.rs")),
            ("inspect", include_str!("inspect.rs")),
            ("wake", include_str!("wake.rs")),
            ("watch", include_str!("watch.rs")),
            ("heartbeat", include_str!("heartbeat.rs")),
            ("schedules", include_str!("schedules.rs")),
            ("model", include_str!("model.rs")),
            ("flow_model", include_str!("flow_model.rs")),
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
