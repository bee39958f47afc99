//! The deployment files of `docs/deploy`, as far as they can be tried without what they are for. That their commands
//! are read by the real command line is tested beside that, in `cli::documented`. And the pages: their links, and the code map.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod acl;
mod compose;
mod config;
mod cron;
mod dockerfile;
mod files;
mod kubernetes;
mod links;
mod map;
mod supervisor;
mod systemd;
mod tls;
mod tokens;
mod yaml;
