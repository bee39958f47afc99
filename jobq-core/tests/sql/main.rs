//! The outbox and the inbox on real databases: each behaviour on SQLite, and all of them on a MariaDB and
//! a PostgreSQL server.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod cut;
mod databases;
mod flaky;
mod inbox;
mod kills;
mod outbox;
mod relay;
mod send;
mod stage;

use databases::mariadb::MariaDb;
use databases::postgres::PostgreSql;
use databases::{Place, sqlite_url};

macro_rules! behaviours {
    ($($module:ident :: $behaviour:ident),* $(,)?) => {
        mod sqlite {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let directory = tempfile::TempDir::new().unwrap();
                    let place = Place::<sqlx::Sqlite>::at(&sqlite_url(directory.path())).await;
                    $module::$behaviour(place).await;
                }
            )*
        }

        // One server for all: each has a database of its own.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn mariadb_does_all_of_it() {
            let server = MariaDb::start().await;
            $(
                println!("{}", stringify!($behaviour));
                let url = server.database(stringify!($behaviour)).await;
                $module::$behaviour(Place::<sqlx::MySql>::at(&url).await).await;
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgresql_does_all_of_it() {
            let server = PostgreSql::start().await;
            $(
                println!("{}", stringify!($behaviour));
                let url = server.database(stringify!($behaviour)).await;
                $module::$behaviour(Place::<sqlx::Postgres>::at(&url).await).await;
            )*
        }
    };
}

// The names are also those of databases: 63 letters at most.
behaviours! {
    outbox::a_job_reaches_its_queue_with_all_its_options,
    outbox::a_rolled_back_enqueue_never_was,
    outbox::a_delay_starts_with_the_enqueue,
    outbox::what_no_queue_could_take_is_refused_in_the_transaction,
    outbox::without_tables_the_error_says_what_to_do,
    outbox::programs_may_create_the_tables_at_once,
    outbox::the_backlog_is_counted_by_queue,
    relay::several_relays_keep_the_order_of_each_queue,
    relay::large_payloads_travel_in_small_calls,
    relay::a_row_that_nobody_can_read_holds_nothing_up,
    relay::a_job_that_its_queue_refuses_holds_nothing_up,
    relay::what_was_set_aside_can_be_restored_deleted_and_pruned,
    relay::a_child_waits_for_its_parent_in_the_outbox,
    relay::a_full_queue_holds_up_nothing_but_itself,
    relay::an_outage_of_the_queue_loses_nothing,
    relay::a_lost_answer_adds_nothing_twice,
    relay::a_queue_that_never_answers_is_given_up_for_a_while,
    relay::a_nudge_wakes_a_relay_and_a_stop_ends_it,
    relay::a_broken_database_is_tried_again,
    relay::a_queue_is_moved_by_one_relay_at_a_time,
    inbox::a_second_run_is_given_what_the_first_returned,
    inbox::a_failed_run_leaves_nothing_behind,
    inbox::a_zombie_cannot_write_after_a_newer_attempt,
    inbox::of_two_runs_at_once_one_writes,
    inbox::a_handler_that_did_not_enter_cannot_finish,
    inbox::a_pruned_job_is_forgotten,
    kills::an_enqueue_killed_anywhere_is_whole_or_not_there,
    kills::a_relay_killed_anywhere_loses_and_doubles_nothing,
    kills::a_job_that_is_handed_over_again_has_its_effect_once,
    kills::a_handler_killed_anywhere_has_its_effect_once,
}
