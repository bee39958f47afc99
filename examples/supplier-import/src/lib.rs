//! A supplier's price list, imported in the background: the first of five business systems on jobq.
//!
//! Read [`jobs`] first: what is done in the background. Then [`import_file`], [`import_chunk`] and
//! [`write_summary`]: how each can be killed at any point and run again. The tables are in [`db`].

mod app;
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
pub mod location;
pub mod mapping;
mod matching;
pub mod price;
mod progress;
mod queue;
mod report;
pub mod row;
pub mod rows;
mod run;
mod signals;
pub mod spool;
mod stuck;
pub mod write_summary;

pub use app::App;
pub use commands::{Failure, run};
pub use fault::FileFault;
