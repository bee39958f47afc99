//! Suppliers' price lists, imported in the background, and a shop that is told what the suppliers have: the fifth
//! of five business systems on jobq.
//!
//! Read [`jobs`] first: what is done in the background. Then [`import_file`], [`import_chunk`] and
//! [`write_summary`]: how each can be killed at any point and run again. [`sync`](mod@sync) and [`linking`] have
//! to do with the [`shop`]. The tables are in [`db`].
//!
//! How it starts, prints and fails is in [`program`], and how a database is asked in [`sql_store`]: the examples share
//! them.

mod app;
pub mod availability;
pub mod bench_sync;
pub mod catalogue;
pub mod cli;
mod commands;
pub mod db;
pub mod ean;
mod encoding;
mod fault;
pub mod generate;
pub mod import_chunk;
pub mod import_file;
pub mod jobs;
pub mod link_products;
pub mod linking;
pub mod location;
pub mod mapping;
mod matching;
pub mod pretend_shop;
pub mod price;
mod progress;
pub mod prune_failed;
mod queue;
mod report;
pub mod row;
pub mod rows;
mod run;
pub mod schedules;
pub mod shop;
pub mod spool;
pub mod start_import;
mod stuck;
pub mod sync;
pub mod sync_availability;
pub mod write_summary;

pub use app::App;
pub use commands::run;
pub use fault::FileFault;
pub use run::worker;
