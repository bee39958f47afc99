//! What every program of the examples does alike: it starts, prints, fails and ends.
//!
//! A `main` is three lines about itself and these:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use program::Failure;
//!
//! # async fn run() -> Result<ExitCode, Failure> { Ok(ExitCode::SUCCESS) }
//! # async fn as_main() -> ExitCode {
//! program::choose_cryptography();
//! program::log_to_stderr("info");
//! program::end(run().await)
//! # }
//! ```

mod ends;
mod failure;
mod input;
pub mod report;

pub use ends::{choose_cryptography, end, log_to_stderr};
pub use failure::{Failure, in_one_line};
pub use input::{InputFault, at_least_one, shown};
