//! Stores and their CRMs, kept in step within the CRM's limits: a business system on jobq.
//!
//! Read [`job`] first: what is done in the background. Then [`sync`]: how it can be killed at any point
//! and run again; and [`departure`]: why no window of a minute ever gets one request too many.
//!
//! How it starts, prints and fails is in [`program`], how a database is asked in [`sql_store`], and what its API
//! refuses in [`http_server`]: the examples share them.

pub mod api;
mod app;
pub mod clean_up;
pub mod cli;
mod commands;
pub mod crm;
pub mod db;
mod demo;
pub mod departure;
pub mod entity;
pub mod fields;
pub mod generate;
pub mod ids;
pub mod job;
pub mod limits;
pub mod monitor;
pub mod producer;
mod queue;
mod report;
mod run;
pub mod schedules;
pub mod stub;
pub mod sync;
pub mod upkeep;
pub mod window;

pub use app::App;
pub use commands::run;
pub use queue::{Opened, Scheduling};
pub use run::Manner;
