//! Long texts about customers, condensed by a language model in the background: a business system on jobq.
//!
//! Read [`job`] first: what is done in the background. Then [`condense`]: one attempt, the same for every
//! driver; [`db`]: why an answer to an older text is never saved; and [`patrol`]: why no text is forgotten.
//!
//! How it starts, prints and fails is in [`program`], how a database is asked in [`sql_store`], and what its API
//! refuses in [`http_server`]: the examples share them.

pub mod api;
mod app;
pub mod cli;
mod commands;
pub mod condense;
pub mod customer;
pub mod db;
mod demo;
pub mod dispatch;
pub mod job;
pub mod model;
pub mod monitor;
pub mod patrol;
mod queue;
pub mod stub;

pub use app::App;
pub use commands::{run, worker};
pub use queue::Opened;
