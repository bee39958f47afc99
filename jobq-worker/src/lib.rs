//! Runs jobq jobs: lease, execute, settle, renew, reclaim, shut down
