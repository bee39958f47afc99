//! Everything can be awaited in a task and in a handler, also where the database is a certain one: the
//! compiler knows more of all databases than of one.

use std::time::Duration;

use jobq_core::sql::{create_tables, inbox, outbox};
use jobq_core::{JobContext, JobResult};
use sqlx::{MySql, Pool, Postgres, Sqlite};

use super::stage::Ship;

const fn is_send<T: Send>(_: &T) {}

macro_rules! for_certain {
    ($name:ident, $database:ident) => {
        #[expect(dead_code, reason = "it compiles, or it does not")]
        fn $name(pool: Pool<$database>, relay: outbox::Relay<$database>, cx: JobContext) {
            async fn handler(ship: Ship, pool: Pool<$database>, cx: JobContext) -> JobResult<i64> {
                let mut tx = pool.begin().await?;
                if let Some(before) = inbox::enter(&mut *tx, &cx).await? {
                    return Ok(before);
                }
                let job = outbox::enqueue(&mut *tx, Ship { order: ship.order }).priority(3).await?;
                let relatives = [job];
                outbox::enqueue(&mut *tx, ship).after(relatives).await?;
                inbox::finish(&mut *tx, &cx, &1_i64).await?;
                tx.commit().await?;
                Ok(1)
            }
            let tables = {
                let pool = pool.clone();
                async move {
                    let mut connection = pool.acquire().await?;
                    create_tables(&mut *connection).await?;
                    outbox::backlog(&mut *connection).await?;
                    outbox::rejected(&mut *connection, 1).await?;
                    outbox::restore_rejected(&mut *connection, 1).await?;
                    outbox::forget_rejected(&mut *connection, 1).await?;
                    outbox::prune_rejected(&mut *connection, Duration::MAX, 1).await?;
                    inbox::prune(&mut *connection, Duration::MAX, 1).await?;
                    JobResult::Ok(())
                }
            };
            let running = async move {
                relay.run_once().await?;
                relay.run_until(std::future::pending()).await
            };
            is_send(&tables);
            is_send(&running);
            is_send(&handler(Ship { order: 1 }, pool, cx));
        }
    };
}

for_certain!(on_sqlite, Sqlite);
for_certain!(on_mysql, MySql);
for_certain!(on_postgres, Postgres);
