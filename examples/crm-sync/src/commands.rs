//! What each command does.

use std::fs::OpenOptions;
use std::process::ExitCode;
use std::time::Duration;

use jobq_core::{Clock, Enqueued, Inspect, SystemClock};
use jobq_worker::StopSignals;
use program::Failure;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::Api;
use crate::clean_up::{CleanedUp, clean_up};
use crate::cli::{
    CleanUpArgs, Cli, Command, Event, FullSyncArgs, RateArgs, RecordArgs, SeedArgs, ServeArgs,
    StatusArgs, StubArgs, WorkArgs,
};
use crate::db::Store;
use crate::demo::demo;
use crate::generate::{self, Amounts};
use crate::ids::RecordKey;
use crate::ids::StoreId;
use crate::job::{Reason, SyncRecord};
use crate::limits::{rate_of, set_rate};
use crate::producer::Producer;
use crate::report::RunSummary;
use crate::stub::{Chances, Crm, Server};
use crate::{monitor, queue, report, schedules};

/// Does what the command line says.
///
/// # Errors
///
/// When it cannot be done.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Demo(args) => return demo(args).await,
        Command::Work(args) => work(args).await,
        Command::Serve(args) => serve(args).await,
        Command::Stub(args) => stub(args).await,
        Command::Seed(args) => seed(&args).await,
        Command::Hook(args) => {
            let reason = match args.event {
                Event::Created => Reason::Created,
                Event::Updated => Reason::Updated,
            };
            enqueue(&args.record, reason).await
        }
        Command::Sync(args) => enqueue(&args.record, Reason::Asked).await,
        Command::FullSync(args) => full_sync(&args).await,
        Command::Rate(args) => rate(&args).await,
        Command::Status(args) => status(&args).await,
        Command::CleanUp(args) => clean(&args).await,
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Opens a database.
pub(crate) async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    Ok(Store::open(url).await?)
}

async fn work(args: WorkArgs) -> Result<(), Failure> {
    let queue = queue::open_shared(&args.places.queue.queue).await?;
    let store = open(&args.places.database.url()).await?;
    let manner = args.manner.manner();
    manner.install(&queue).await?;
    let worker = manner.worker(&queue, store)?;
    let done = if args.stop_when_empty {
        worker.stop_when_empty().run().await.map_err(Failure::of_worker)?
    } else {
        let scheduler = schedules::scheduler(&queue, &args.schedules.timezone)?;
        let (stop, stopped) = watch::channel(false);
        let working = async {
            let done = worker.run().await;
            stop.send_replace(true);
            done
        };
        tokio::try_join!(working, scheduler.run_until(until(stopped)))
            .map_err(Failure::of_worker)?
            .0
    };
    print_run(RunSummary::of(&done), args.json);
    Ok(())
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // When the sender is gone nobody is left who could say so.
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn print_run(summary: RunSummary, as_json: bool) {
    if as_json {
        report::json(&summary);
    } else {
        report::line(&summary.text());
    }
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let queue = queue::open(&args.places.queue.queue).await?;
    let store = open(&args.places.database.url()).await?;
    let manner = args.manner.manner();
    manner.install(&queue).await?;
    let worker = manner.worker(&queue, store.clone())?;
    let scheduler = schedules::scheduler(&queue, &args.schedules.timezone)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::failed(&error))?;
    report::line(&format!("listening on http://{address}"));

    let (stop, stopped) = watch::channel(false);
    let api = axum::serve(listener, Api::new(store, queue).router())
        .with_graceful_shutdown(until(stopped.clone()));
    let serving = async {
        let served = async { api.await.map_err(|error| Failure::failed(&error)) };
        let worked =
            async { worker.run_until(until(stopped.clone())).await.map_err(Failure::of_worker) };
        let scheduled =
            async { scheduler.run_until(until(stopped.clone())).await.map_err(Failure::of_worker) };
        tokio::try_join!(served, worked, scheduled)
    };
    let two_signals = async {
        signals.next().await;
        stop.send_replace(true);
        signals.next().await;
    };
    tokio::select! {
        done = serving => {
            let ((), summary, _) = done?;
            print_run(RunSummary::of(&summary), false);
        }
        // What runs is done again once its lease has expired.
        () = two_signals => {}
    }
    Ok(())
}

async fn stub(args: StubArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let crm = Crm::new(Chances {
        seed: args.seed,
        fail: args.fail,
        slow: args.slow,
        throttle: args.throttle,
        cut: args.cut,
        slow_for: Duration::from_millis(args.slow_ms),
        retry_after: args.retry_after,
    });
    if let Some(path) = &args.log {
        let file =
            OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                Failure::usage(format!("cannot write {}: {error}", path.display()))
            })?;
        crm.log_to(file);
    }
    let server = Server::start(crm.clone(), args.listen)
        .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", args.listen)))?;
    report::line(&format!("listening on {}", server.url()));
    signals.next().await;
    report::json(&crm.summary());
    Ok(())
}

async fn seed(args: &SeedArgs) -> Result<(), Failure> {
    if !args.crm.starts_with("http://") && !args.crm.starts_with("https://") {
        return Err(Failure::usage("--crm must be an address such as http://127.0.0.1:8090"));
    }
    let store = open(&args.database.url()).await?;
    let amounts = Amounts {
        customers: args.customers,
        products: args.products,
        sales: args.sales,
        activities: args.activities,
    };
    let now = SystemClock::default().now();
    for number in 1..=args.stores {
        let account = generate::account(StoreId::new(number)?, "Store", &args.crm);
        store.put_store(&account).await?;
        generate::add_records(&store, account.store, amounts, now).await?;
    }
    let Amounts { customers, products, sales, activities } = amounts;
    report::line(&format!(
        "{} stores, each with {customers} customers, {products} products, {sales} sales and \
         {activities} activities",
        args.stores
    ));
    Ok(())
}

async fn enqueue(args: &RecordArgs, reason: Reason) -> Result<(), Failure> {
    let queue = queue::open_shared(&args.places.queue.queue).await?;
    let producer = Producer::new(open(&args.places.database.url()).await?, queue);
    let key = RecordKey { store: args.store, entity: args.entity, record: args.record };
    let enqueued = producer.sync(SyncRecord::new(key, args.direction), reason).await?;
    let (id, is_created) = (enqueued.id(), matches!(enqueued, Enqueued::Created(_)));
    if args.json {
        report::json(&json!({"job_id": id.to_string(), "created": is_created}));
    } else if is_created {
        report::line(&format!("{key}: enqueued as {id}"));
    } else {
        report::line(&format!("{key}: waits already, as {id}"));
    }
    Ok(())
}

async fn full_sync(args: &FullSyncArgs) -> Result<(), Failure> {
    let queue = queue::open_shared(&args.places.queue.queue).await?;
    let producer = Producer::new(open(&args.places.database.url()).await?, queue);
    let done = producer.full_sync(args.store, args.entity, args.direction).await?;
    if args.json {
        report::json(&done);
        return Ok(());
    }
    for store in &done {
        report::line(&report::full_sync(store));
    }
    if done.is_empty() {
        report::line("there are no stores");
    }
    Ok(())
}

async fn rate(args: &RateArgs) -> Result<(), Failure> {
    let queue = queue::open_shared(&args.places.queue.queue).await?;
    let store = open(&args.places.database.url()).await?;
    let accounts = match args.store {
        Some(number) => {
            vec![Producer::new(store, queue.clone()).account(number).await?]
        }
        None => store.accounts().await?,
    };
    if args.rate.is_some() || args.reset {
        set_rate(&*queue.backend, args.store, args.rate).await?;
    }
    for account in accounts {
        let rate = rate_of(&*queue.inspect, account.store).await?;
        let rate = rate.map_or("no limit until a worker starts".to_owned(), |r| r.to_string());
        report::line(&format!("store {}: {rate}", account.store));
    }
    Ok(())
}

/// The queue as far as it can be seen from another process.
async fn seen_queue(url: &str) -> Result<Option<queue::Opened>, Failure> {
    if queue::is_memory(url) { Ok(None) } else { queue::open(url).await.map(Some) }
}

fn inspect(queue: Option<&queue::Opened>) -> Option<&dyn Inspect> {
    queue.map(|queue| &*queue.inspect)
}

async fn status(args: &StatusArgs) -> Result<(), Failure> {
    let queue = seen_queue(&args.places.queue.queue).await?;
    let store = open(&args.places.database.url()).await?;
    let now = SystemClock::default().now();
    let status = monitor::status(&store, inspect(queue.as_ref()), now).await?;
    if args.json {
        report::json(&status);
    } else {
        report::line(&status.text());
    }
    Ok(())
}

async fn clean(args: &CleanUpArgs) -> Result<(), Failure> {
    let queue = seen_queue(&args.places.queue.queue).await?;
    let store = open(&args.places.database.url()).await?;
    let now = SystemClock::default().now();
    let done = clean_up(&store, inspect(queue.as_ref()), args.days, now).await?;
    if args.json {
        report::json(&done);
        return Ok(());
    }
    let CleanedUp { log_rows, dead_jobs } = done;
    let dead_jobs = dead_jobs.map_or_else(String::new, |jobs| format!(" and {jobs} dead jobs"));
    report::line(&format!("{log_rows} rows of the log{dead_jobs} deleted"));
    Ok(())
}
