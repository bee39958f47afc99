//! `jobq forget`: dead jobs are deleted by their ids.

use jobq_core::JobState;

use super::connect::Address;
use super::exit::Failure;
use super::jobs::{DeleteArgs, delete_known};

pub(super) async fn run(address: &Address, args: &DeleteArgs) -> Result<(), Failure> {
    delete_known(address, args, Some(JobState::Dead)).await
}
