//! What each command does.

mod bench;
mod import;
mod shop;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jobq_core::JobId;
use jobq_worker::StopSignals;

use crate::app::App;
use crate::cli::{Cli, Command, DemoArgs, GenerateArgs, SeedArgs, SummaryArgs, WorkArgs};
use crate::db::{Store, Summary};
use crate::generate::Recipe;
use crate::jobs::ImportFile;
use crate::location::Location;
use crate::rows::{Format, Layout};
use crate::{queue, report, run as running, schedules};
use import::Waiting;
use program::Failure;

/// Of so many rows of the demonstration one is malformed.
const DEMO_ROWS_PER_BAD: u64 = 1_000;

/// Does what the command line says.
///
/// # Errors
///
/// When it cannot be done; an import that fails is said so in its summary, and by the exit code.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => demo(cli.demo).await,
        Some(Command::Generate(args)) => generate(&args),
        Some(Command::Seed(args)) => seed(&args).await,
        Some(Command::Import(args)) => import::import(args).await,
        Some(Command::Work(args)) => work(args).await,
        Some(Command::Summary(args)) => summary(&args).await,
        Some(Command::Link(args)) => shop::link(args).await,
        Some(Command::Sync(args)) => shop::sync(&args).await,
        Some(Command::TestConnection(args)) => shop::test_connection(&args).await,
        Some(Command::Prune(args)) => shop::prune(&args).await,
        Some(Command::BenchSync(args)) => bench::sync(&args).await,
    }
}

async fn demo(args: DemoArgs) -> Result<ExitCode, Failure> {
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let dir = tempfile::tempdir().map_err(|error| Failure::failed(&error))?;
    let file = dir.path().join("supplier.csv");
    let recipe = Recipe {
        rows: args.rows,
        bad: args.rows.div_ceil(DEMO_ROWS_PER_BAD),
        seed: 1,
        format: Format::Csv,
    };
    write(&recipe, &file)?;
    let db =
        args.db.unwrap_or_else(|| format!("sqlite://{}", dir.path().join("import.db").display()));
    let store = open(&db).await?;
    tokio::select! {
        seeded = store.seed(1, args.rows) => seeded.map_err(|error| Failure::failed(&error))?,
        () = signals.next() => return Err(Failure::new("interrupted before the import began")),
    }
    let job = ImportFile {
        import_id: new_id(),
        contractor_id: 1,
        source: Location::Path(file),
        layout: Layout::default(),
        chunk_rows: 500,
        max_bytes: u64::MAX,
        http_timeout_s: 30,
    };
    let waiting = Waiting { queue: "memory:", concurrency: 4, patience: Duration::from_secs(600) };
    let summary = waiting.for_summary(store, job, &mut signals).await?;
    Ok(finish(&summary, args.json))
}

fn generate(args: &GenerateArgs) -> Result<ExitCode, Failure> {
    let is_xml = args.file.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("xml"));
    let by_name = if is_xml { Format::Xml } else { Format::Csv };
    let recipe = Recipe {
        rows: args.rows,
        bad: args.bad,
        seed: args.seed,
        format: args.format.unwrap_or(by_name),
    };
    write(&recipe, &args.file)?;
    let (rows, format) = (args.rows, recipe.format);
    report::line(&format!("wrote {rows} rows of {format} to {}", args.file.display()));
    Ok(ExitCode::SUCCESS)
}

fn write(recipe: &Recipe, file: &Path) -> Result<(), Failure> {
    let cannot = |error| Failure::usage(format!("cannot write {}: {error}", file.display()));
    let out = File::create(file).map_err(cannot)?;
    recipe.write(&mut BufWriter::new(out)).map_err(cannot)
}

async fn seed(args: &SeedArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.db.url()).await?;
    store.seed(args.contractor, args.products).await.map_err(|error| Failure::failed(&error))?;
    let (products, contractor) = (args.products, args.contractor);
    report::line(&format!("{products} products, each with a link of contractor {contractor}"));
    Ok(ExitCode::SUCCESS)
}

async fn work(args: WorkArgs) -> Result<ExitCode, Failure> {
    if queue::is_memory(&args.backend) {
        let message = "a worker process needs a queue that it can share: add --backend redis://…";
        return Err(Failure::usage(message));
    }
    let shop = args.shop.open()?;
    let plan = args.plan();
    for (name, schedule) in plan.iter().flat_map(schedules::Plan::schedules) {
        schedule.check().map_err(|fault| Failure::usage(format!("schedule {name}: {fault}")))?;
    }
    let store = open(&args.db.url()).await?;
    let queue = queue::open(&args.backend).await?;
    let scheduler = plan.map(|plan| {
        queue.schedules.scheduler().group(schedules::GROUP).schedules(plan.schedules())
    });
    let app = App::new(store).shop(shop).queues(queue.inspect);
    let worker = running::worker(queue.backend, app, args.queue, args.concurrency);
    let worker = if args.stop_when_empty { worker.stop_when_empty() } else { worker };
    let Some(scheduler) = scheduler else {
        report::line(&worker.run().await.map_err(Failure::of_worker)?.to_string());
        return Ok(ExitCode::SUCCESS);
    };
    scheduler.check().map_err(Failure::of_worker)?;
    let done = running::with_schedules(worker, scheduler).await.map_err(Failure::of_worker)?;
    report::line(&done.0.to_string());
    report::line(&format!("schedules: {}", done.1));
    Ok(ExitCode::SUCCESS)
}

async fn summary(args: &SummaryArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.db.url()).await?;
    let id = &args.import_id;
    let found = store.summary(id).await.map_err(|error| Failure::failed(&error))?;
    if let Some(summary) = found {
        return Ok(finish(&summary, args.json));
    }
    match store.seen(id).await.map_err(|error| Failure::failed(&error))? {
        None => Err(Failure::usage(format!("the database knows no import {id}"))),
        Some(seen) => {
            Err(Failure::new(format!("import {id} is still running: {} rows done", seen.rows_done)))
        }
    }
}

async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    Store::open(url).await.map_err(|error| Failure::failed(&error))
}

/// Prints a summary, and says by the exit code whether the import has failed.
fn finish(summary: &Summary, as_json: bool) -> ExitCode {
    report::summary(summary, as_json);
    if summary.error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn new_id() -> String {
    JobId::generate(&jobq_core::SystemClock::default()).to_string()
}
