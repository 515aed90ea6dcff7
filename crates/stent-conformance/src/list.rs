//! The one list of cases: from it come the tests of every store and the suite's own table.

use std::{future::Future, pin::Pin, sync::Arc};

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
/// The expression makes a [`Harness`]; it is evaluated once per store that a test needs. See the [crate](crate) for an example.
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
        "race" => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build(),
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async {
        (case.run)(World::open(Arc::new(make)).await).await;
    });
}
