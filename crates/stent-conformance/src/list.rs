//! The one list of cases: from it come the tests of every store and the suite's own table.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{Harness, cases, world::World};

/// One named case.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is about.
    pub module: &'static str,
    /// What must hold, as a sentence.
    pub name: &'static str,
    run: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.module, self.name)
    }
}

/// Hands all cases, by module, to another macro. A case that is not listed here is dead code, and doesn't compile.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_case {
    ([$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! { [$($arguments)*]
            calls {
                a_dispatch_that_is_dropped_and_repeated_is_made_once
                a_commit_that_is_dropped_and_repeated_is_applied_once
                a_signal_that_is_dropped_and_repeated_is_received_once
                a_claim_that_is_dropped_takes_whole_leases_or_none
                what_others_drop_holds_up_nobody
            }
            cancel {
                what_nobody_runs_is_cancelled_at_once
                a_running_task_is_asked_to_stop_and_then_ends_as_cancelled
                a_holder_that_goes_on_is_told_of_the_cancel
                a_cancelled_task_whose_worker_is_gone_ends_with_its_lease
                a_cancel_reaches_every_task_of_the_tree
                a_running_parent_is_asked_and_its_children_stop
                children_are_cancelled_in_the_order_of_their_making
                children_added_with_the_last_commit_are_cancelled_too
                a_cancel_of_what_has_ended_says_how_it_ended
                a_cancel_may_be_repeated
                a_cancel_of_nobody_says_so
                a_cancel_wins_over_a_retry_that_waits
                the_end_of_a_parent_stops_what_is_below_it
            }
            claim {
                a_claim_brings_task_input_and_history
                a_claim_takes_at_most_what_it_asks_for
                a_claim_for_nothing_takes_nothing
                a_claim_takes_only_functions_that_the_worker_has
                a_claim_takes_only_queues_that_the_worker_serves
                the_oldest_of_a_lane_comes_first
                of_equal_age_the_first_made_comes_first
                age_counts_from_when_a_task_is_due
                a_higher_priority_comes_first
                functions_of_one_priority_share_a_claim
                queues_of_one_priority_share_a_claim
                claims_of_one_task_take_each_function_in_turn
                a_claim_says_when_the_next_task_is_due
                a_claim_says_when_the_next_lease_runs_out
                a_claim_says_when_the_next_deadline_passes
                a_claim_looks_ahead_no_further_than_it_is_asked_to
                what_has_passed_is_no_reason_to_look_again
                what_is_not_due_is_never_claimed
                many_sleepers_hide_no_due_task
                a_task_that_woke_keeps_its_place_among_the_others
                a_suspect_is_claimed_alone
                a_worker_that_takes_no_suspects_gets_the_others
                a_claim_takes_over_and_claims_in_one_go
            }
            cleanup {
                what_ended_before_the_retention_period_goes_and_the_rest_stays
                every_way_to_have_ended_is_cleaned_up
                what_has_not_ended_is_never_touched
                age_counts_from_the_end_and_not_from_the_beginning
                an_execution_goes_with_all_that_belongs_to_it
                a_deleted_execution_can_be_made_again_and_knows_nothing_of_the_old
                an_execution_with_a_task_that_is_still_leased_waits
                a_cleanup_deletes_at_most_what_it_is_asked_to_oldest_first
                a_retention_too_long_to_subtract_keeps_everything
                the_fleet_cleans_up_once_per_interval
                a_cleanup_goes_on_until_nothing_is_left_before_the_schedule_moves
                a_cleanup_by_hand_leaves_the_schedule_alone
                the_schedule_survives_a_restart
                a_large_execution_goes_as_a_whole
                a_cleanup_deletes_no_more_rows_than_fit_a_short_transaction
            }
            commit {
                an_outcome_is_kept_with_its_task
                an_outcome_is_recorded_once
                a_commit_sent_twice_does_no_second_thing
                a_commit_sent_twice_is_answered_twice
                an_end_sent_twice_is_known
                a_commit_that_comes_late_changes_nothing
                a_commit_that_skips_one_is_refused
                commits_are_numbered_anew_under_each_lease
                two_commits_of_one_task_in_one_batch_both_count
                a_refused_commit_changes_nothing_for_its_neighbours
                a_refused_commit_changes_nothing_of_its_own
                a_position_that_is_taken_is_not_overwritten
                a_batch_of_commits_that_is_too_long_is_refused_whole
                a_call_makes_a_child_that_can_be_claimed
                a_childs_end_is_recorded_with_its_parent_at_once
                a_child_can_be_started_with_the_commit_that_makes_it
                a_child_that_is_not_due_is_not_started_with_its_commit
                a_child_is_started_only_if_a_slot_is_free
                an_assumed_outcome_must_be_what_was_recorded
                an_outcome_of_another_holder_than_assumed_is_stale
                an_outcome_in_another_place_than_assumed_is_stale
                what_a_body_asks_for_after_outcomes_that_are_not_recorded_is_stale
                a_deadline_that_the_holder_reports_is_recorded_as_such
                a_commit_for_a_task_that_was_deleted_is_refused
                a_join_of_many_calls_is_one_commit
            }
            dead_letter {
                a_dead_letter_is_found_by_its_state
                a_replayed_dead_letter_is_the_same_task_with_everything_counted_anew
                a_replay_keeps_what_completed
                a_replay_calls_anew_what_was_cancelled_with_its_end
                a_child_that_outlived_the_end_does_not_answer_the_replay
                only_dead_letters_are_replayed
                a_failed_child_is_not_replayed_by_itself
                a_dead_letter_that_is_replayed_twice_is_replayed_once
                the_old_holder_of_a_replayed_task_has_lost_it
                a_replayed_task_of_a_limited_function_takes_a_slot_again
                a_replayed_execution_takes_signals_again
                a_replayed_execution_is_no_longer_cleaned_up
            }
            deadline {
                what_nobody_runs_times_out_at_its_deadline_and_not_before
                an_overdue_task_is_never_claimed
                a_running_task_is_left_to_its_holder
                an_overdue_task_whose_worker_is_gone_times_out_with_its_lease
                a_childs_deadline_is_told_to_its_parent
                a_deadline_reaches_the_whole_tree
                a_deadline_counts_from_the_dispatch_by_the_stores_clock
                a_deadline_and_an_outcome_are_one_outcome
                one_claim_looks_after_a_bounded_number_of_deadlines
                a_deadline_in_the_past_means_never_started
                an_ended_task_has_no_deadline_to_miss
            }
            dispatch {
                an_execution_is_kept_as_it_was_given
                an_execution_survives_a_restart
                a_delay_is_counted_by_the_stores_clock
                an_instant_in_the_past_means_now
                a_task_due_at_the_end_of_time_is_never_due
                a_dispatch_that_is_repeated_makes_nothing_new
                a_key_makes_one_execution_however_often_it_is_used
                a_key_used_twice_in_one_batch_makes_one_execution
                a_key_belongs_to_its_function
                a_key_with_other_input_says_so
                a_key_stays_in_use_when_its_execution_ends
                a_key_is_free_again_when_its_execution_was_deleted
                a_batch_is_answered_in_its_order
                an_empty_batch_changes_nothing
                a_batch_that_is_too_long_is_refused_whole
                too_many_tags_are_refused_and_nothing_is_made
                tags_are_kept_once_and_sorted
                a_function_that_nobody_has_is_kept_and_left_alone
            }
            epoch {
                every_answer_to_a_worker_names_the_same_epoch
                a_claim_of_another_epoch_takes_no_tasks
                a_claim_of_another_epoch_looks_after_leases_all_the_same
                what_a_holder_of_another_epoch_writes_changes_nothing
                a_holder_of_another_epoch_may_give_its_task_back
                what_was_applied_is_known_in_every_epoch
                another_epoch_gives_nobody_a_lease
            }
            hints {
                the_stream_does_not_end_while_the_store_is_open
                a_listener_that_never_reads_delays_nobody
                a_listener_that_went_away_is_forgotten
                nothing_depends_on_a_hint
            }
            history {
                every_operation_comes_back_as_it_was_written
                an_outcome_on_the_spot_has_no_place
                outcomes_have_the_order_in_which_they_were_recorded
                a_place_that_is_taken_is_refused_and_the_next_is_given
                what_was_delivered_since_is_read_in_its_order
                a_history_of_nobody_is_empty
                failed_outcomes_are_kept_with_their_sources
                what_was_asked_for_after_an_outcome_says_so
                an_abandoned_operation_wakes_nobody_by_time
                payloads_of_every_kind_of_json_come_back_as_texts
                a_child_that_ended_before_its_parent_did_is_kept
                two_calls_of_one_function_get_each_its_own_outcome
                a_step_that_failed_is_recorded_as_failed
            }
            input {
                strange_names_are_kept_as_they_are
                names_that_differ_a_little_are_different_names
                the_longest_names_are_kept
                the_largest_payloads_are_kept
                json_is_kept_as_it_was_written
                deeply_nested_json_is_kept_as_deep_as_it_can_be_read
                rotten_errors_are_kept_cleaned
                strange_signals_are_received_as_they_were_sent
                ids_at_the_ends_of_their_range_are_ids
                marks_at_the_ends_of_their_range_are_marks
            }
            inspect {
                executions_are_listed_newest_first
                pages_join_without_a_gap_or_an_overlap
                a_page_that_is_just_full_has_no_more
                a_page_is_never_longer_than_the_longest
                executions_are_found_by_each_of_their_properties
                a_property_that_no_execution_has_finds_nothing
                an_execution_that_is_asked_for_twice_is_listed_once
                payloads_are_read_only_when_asked_for
                a_child_is_listed_as_a_task_and_not_as_an_execution
                tasks_are_found_by_each_of_their_properties
                functions_are_listed_by_name_with_what_has_not_ended
                queues_are_listed_by_name_with_what_has_not_ended
                a_healthy_store_tells_its_time_and_changes_nothing
                what_names_too_many_is_refused
                workers_are_listed_as_they_reported_last
                workers_that_were_not_heard_of_for_a_day_are_not_shown
                a_worker_that_a_cleanup_forgot_is_new_when_it_reports_again
                reading_changes_nothing
                one_store_sees_nothing_of_another
                extremes_of_priority_and_time_are_read_as_they_were_written
            }
            lease {
                a_claim_leases_from_the_stores_now
                a_leased_task_is_not_claimed_again
                a_task_whose_lease_ran_out_is_stolen
                a_stolen_task_refuses_the_late_outcome
                a_late_holder_changes_nothing_at_all
                the_same_worker_under_the_same_name_is_another_holder
                the_token_alone_is_no_fence
                the_mark_alone_is_no_fence
                a_holder_whose_lease_ran_out_may_commit_until_it_is_stolen
                a_renewed_lease_is_not_stolen
                a_renewal_never_shortens_a_lease
                a_lease_that_ran_out_can_be_renewed_until_it_is_stolen
                renewals_are_answered_in_their_order
                a_renewal_tells_of_deliveries_and_of_a_cancel
                tokens_grow_with_every_claim
                a_released_task_keeps_its_age_and_counts_nothing
                a_release_after_a_steal_is_refused
                one_claim_looks_after_a_bounded_number_of_leases
                one_lease_that_ran_out_is_found_among_many_that_run
                stealing_needs_no_record_of_the_worker
                a_task_that_was_never_started_is_lost_without_blame
                a_suspect_that_started_and_crashes_becomes_a_dead_letter
                a_stolen_task_brings_its_history_along
            }
            limit {
                no_more_are_claimed_than_slots_are_free
                a_limit_counts_over_queues_and_priorities
                a_full_function_holds_back_no_other
                every_way_to_end_frees_the_slot
                a_task_back_in_the_queue_holds_no_slot
                a_crashed_holder_blocks_its_slot_no_longer_than_its_lease
                a_suspended_task_keeps_its_slot
                a_suspended_task_that_ends_frees_its_slot
                a_function_that_releases_gives_its_slot_up_while_it_waits
                one_that_woke_is_not_overtaken_by_newcomers
                a_limit_lowered_below_what_runs_starts_nothing_until_it_fits
                a_limit_can_be_raised_and_unset_while_tasks_run
                the_newest_declaration_counts
                an_operators_limit_counts_before_what_is_declared
                a_declaration_that_differs_is_answered
                what_runs_and_waits_holds_slots_from_the_moment_a_limit_is_set
                what_waits_holds_no_slot_when_its_function_begins_to_release
                a_limit_survives_a_restart
                a_call_that_could_only_wait_for_its_ancestors_is_refused
                a_call_that_could_only_wait_for_ancestors_far_above_is_refused
                a_call_waits_where_another_holds_the_slot
                a_suspect_holds_a_slot_like_any_other
                a_sleeping_task_of_a_full_function_wakes
                of_calls_that_only_wait_for_each_others_slots_one_fails
                calls_that_wait_for_a_slot_that_may_yet_be_freed_are_left_alone
            }
            opening {
                many_that_open_an_empty_place_at_once_share_one_whole_store
                what_is_wrong_around_a_store_is_refused_or_comes_to_nothing
            }
            race {
                racing_claims_never_return_one_task_twice
                racing_claims_never_exceed_a_limit
                claims_that_race_with_ends_never_exceed_a_limit
                racing_dispatches_under_one_key_make_one_execution
                racing_dispatches_of_one_id_make_one_execution
                a_dispatch_by_key_that_races_with_its_cleanup_is_never_lost
                a_suspension_that_races_with_a_childs_end_misses_nothing
                a_suspension_that_races_with_a_signal_misses_nothing
                a_wait_that_races_with_its_signal_receives_it
                a_suspension_that_races_with_a_cancel_ends_as_cancelled
                a_cancel_that_races_with_an_end_leaves_one_state_everywhere
                a_cancel_that_races_with_new_children_leaves_none_to_start
                a_steal_that_races_with_an_end_lets_one_of_them_win
                a_steal_that_races_with_a_renewal_lets_one_of_them_win
                a_deadline_that_races_with_an_end_is_one_outcome
                many_children_that_end_at_once_get_each_its_place
                a_commit_that_is_sent_by_many_at_once_is_applied_once
                a_signal_that_is_sent_by_many_at_once_is_received_once
                a_signal_that_races_with_the_end_is_received_or_refused
                a_dead_letter_that_two_replay_at_once_is_replayed_once
                a_replay_that_races_with_a_cleanup_is_whole_or_too_late
                tasks_are_made_claimed_and_ended_by_many_at_once
            }
            retry {
                a_failed_attempt_is_followed_by_another_after_its_delay
                an_attempt_that_waits_without_a_lease_is_due_when_its_time_is_up
                a_failure_that_no_attempt_can_mend_is_final
                an_attempt_that_timed_out_is_retried_and_ends_as_timed_out
                a_task_that_made_calls_is_retried_only_if_it_says_so
                random_values_are_no_calls_and_a_further_attempt_has_them_again
                no_attempt_begins_after_the_deadline
                a_crash_is_no_attempt
                a_failure_that_is_recorded_twice_counts_once
                a_further_attempt_keeps_what_completed_and_does_the_failed_end_anew
                a_failed_child_is_made_anew_by_a_further_attempt
                a_retried_call_is_not_given_the_outcome_of_the_child_that_it_replaced
                calls_that_still_run_go_on_over_a_retry
                a_wait_for_a_signal_lasts_over_a_retry
                a_wait_that_was_given_up_is_begun_anew_by_a_further_attempt
                of_two_waits_the_one_that_was_not_given_up_lasts_over_a_retry
                what_ended_with_the_failed_attempt_lasts_over_a_retry
                a_delay_is_spread_by_what_its_holder_drew
                a_delay_without_bound_is_kept_within_time
            }
            signal {
                a_signal_that_comes_before_anyone_waits_is_kept
                signals_of_one_name_are_received_in_their_order
                a_signal_wakes_the_task_that_waits_for_it
                the_oldest_wait_receives_a_signal
                a_wait_that_began_anew_is_as_young_as_its_new_beginning
                a_signal_sent_twice_is_received_once
                a_signal_that_was_accepted_is_known_also_when_the_execution_has_ended
                a_signal_to_what_has_ended_is_refused
                a_signal_to_nobody_is_refused
                a_child_is_no_execution_that_could_be_signalled
                signals_are_answered_in_their_order
                signals_of_one_batch_are_received_in_their_order
                a_wait_that_ended_by_time_receives_nothing
                a_signal_and_a_timeout_are_one_outcome
                an_abandoned_wait_receives_nothing
                a_wait_that_is_given_up_as_it_begins_receives_nothing
                a_signal_that_was_given_but_not_seen_goes_back_to_its_place
                a_signal_that_was_seen_does_not_come_again
                a_signal_that_goes_back_is_given_to_who_waits_for_it
                a_signal_goes_back_once
                a_task_that_ended_leaves_signals_to_others
                a_signal_that_was_received_stays_received_over_a_retry
                many_signals_to_one_execution_keep_their_order
                a_signal_survives_a_restart
            }
            wait {
                a_task_that_waits_gives_up_its_lease
                a_suspended_parent_is_woken_by_its_childs_end
                a_task_keeps_its_lease_if_something_happened_that_it_has_not_seen
                a_task_that_waits_for_nothing_keeps_its_lease
                a_sleep_wakes_its_task_when_it_is_over_and_not_before
                a_sleep_is_not_over_before_its_time
                a_sleep_keeps_its_end_over_restarts_of_the_body
                a_sleep_of_no_length_or_without_end_is_kept
            }
        }
    };
}

macro_rules! table {
    ([] $($module:ident { $($name:ident)* })*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$($(Case {
            module: stringify!($module),
            name: stringify!($name),
            run: |world| Box::pin(cases::$module::$name(world)),
        },)*)*];
    };
}

__for_each_case!([table]);

/// Makes one `#[test]` of each case, in modules of their own.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([] $($module:ident { $($name:ident)* })*) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                $crate::run(stringify!($module), stringify!($name), super::__stent_conformance_harness);
            })*
        })*
    };
}

/// Makes one `#[test]` of each case for a store, and one of its random operations.
///
/// The expression makes a [`Harness`]; it is evaluated once per store that a test needs. See the [crate] for an example.
#[macro_export]
macro_rules! suite {
    ($harness:expr) => {
        fn __stent_conformance_harness() -> ::std::boxed::Box<dyn $crate::Harness> {
            ::std::boxed::Box::new($harness)
        }

        mod model {
            #[test]
            fn random_operations_do_what_they_do_to_the_memory_store() {
                $crate::model::check(file!(), super::__stent_conformance_harness);
            }
        }

        $crate::__for_each_case!([$crate::__tests]);
    };
}

/// How long a case may take: far longer than any takes, for every call must return (L12).
const CASE_MAX: Duration = Duration::from_secs(300);

/// Runs one case on a fresh store; it panics if the case fails.
///
/// # Panics
/// When the case fails, or there is no such case.
pub fn run(module: &str, name: &str, make: impl Fn() -> Box<dyn Harness> + Send + Sync + 'static) {
    let mut cases = CASES.iter();
    let case = cases
        .find(|case| case.module == module && case.name == name)
        .unwrap_or_else(|| panic!("there is no case `{module}::{name}`"));
    // Racers need threads of their own; all else is simpler to follow on one.
    let runtime = match module {
        "calls" | "opening" | "race" => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build(),
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async {
        let run = async {
            (case.run)(World::open(Arc::new(make)).await).await;
        };
        let ended = tokio::time::timeout(CASE_MAX, run).await;
        assert!(ended.is_ok(), "a call was not answered in {CASE_MAX:?}");
    });
}
