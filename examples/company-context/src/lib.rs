//! Long texts about customers, condensed by a language model in the background: a business system on jobq.
//!
//! Read [`job`] first: what is done in the background. Then [`condense`]: one attempt, the same for every
//! driver; [`db`]: why an answer to an older text is never saved; and [`patrol`]: why no text is forgotten.

pub mod api;
mod app;
pub mod cli;
mod commands;
pub mod condense;
pub mod customer;
pub mod db;
mod demo;
pub mod dispatch;
mod failure;
pub mod input;
pub mod job;
pub mod model;
pub mod monitor;
pub mod patrol;
mod queue;
mod report;
pub mod stub;

pub use app::App;
pub use commands::{run, worker};
pub use failure::Failure;
pub use queue::Opened;
