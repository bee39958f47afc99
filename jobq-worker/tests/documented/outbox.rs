//! The snippets of `docs/outbox.md`.
#![allow(clippy::print_stdout, reason = "as programs do")]

use std::error::Error;
use std::time::Duration;

use jobq_core::{Job, JobContext, JobResult};
use jobq_redis::RedisBackend;
use jobq_worker::State;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, PgConnection, PgTransaction};

#[derive(Serialize, Deserialize, Job)]
struct SendInvoice {
    order: i64,
}

async fn write_invoice(_: &mut PgTransaction<'_>, order: i64) -> sqlx::Result<i64> {
    Ok(order)
}

type Relay = jobq_core::sql::outbox::Relay<sqlx::Postgres>;

async fn enqueue(pool: PgPool, relay: Relay, order: i64) -> Result<(), Box<dyn Error>> {
    use jobq_core::sql::outbox;

    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO orders …").execute(&mut *tx).await?;
    let job = outbox::enqueue(&mut *tx, SendInvoice { order }).await?; // where it will be found
    tx.commit().await?; // both, or neither
    relay.nudge(); // if a relay runs in this process

    println!("{job}");
    Ok(())
}

async fn relay(pool: PgPool, shutdown: impl Future<Output = ()> + Send) -> jobq_core::Result<()> {
    use jobq_core::sql::outbox::Relay;

    let relay = Relay::new(pool, RedisBackend::connect("redis://127.0.0.1").await?);
    relay.run_until(shutdown).await?; // beside a worker or a web server, or as a program of its own
    relay.run_once().await?; // from a line of cron: moves what there is
    Ok(())
}

async fn set_aside(conn: &mut PgConnection) -> jobq_core::Result<()> {
    use jobq_core::sql::outbox;
    const DAY: Duration = Duration::from_secs(24 * 3_600);

    let rows = outbox::rejected(&mut *conn, 100).await?;
    for row in &rows {
        println!("{} {}: {}", row.queue, row.kind, row.reason);
    }
    outbox::restore_rejected(&mut *conn, rows[0].seq).await?; // back to the end of the outbox
    outbox::forget_rejected(&mut *conn, rows[1].seq).await?; // it will never run
    outbox::prune_rejected(&mut *conn, 30 * DAY, 1_000).await?;
    Ok(())
}

mod once {
    use super::{Job, JobContext, JobResult, PgPool, SendInvoice, State, write_invoice};

    use jobq_core::sql::inbox;

    async fn send_invoice(
        job: SendInvoice,
        State(pool): State<PgPool>,
        cx: JobContext,
    ) -> JobResult<i64> {
        let mut tx = pool.begin().await?;
        if let Some(number) = inbox::enter(&mut *tx, &cx).await? {
            return Ok(number); // an earlier run has done it
        }
        let number = write_invoice(&mut tx, job.order).await?; // the effect, by the same transaction
        inbox::finish(&mut *tx, &cx, &number).await?;
        tx.commit().await?;
        Ok(number)
    }

    fn is_a_handler() -> jobq_worker::Registry {
        assert_eq!(SendInvoice::KIND, "send_invoice");
        jobq_worker::Registry::new().handle(send_invoice)
    }
}

async fn in_a_task_of_its_own() -> Result<(), Box<dyn Error>> {
    tokio::spawn(async move { /* begin, enter, the effect, finish, commit */ }).await?;
    Ok(())
}

fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_release(|connection, _| {
        Box::pin(async move {
            connection.ping().await?; // behind the rollback that is under way
            Ok(!connection.is_in_transaction())
        })
    })
}
