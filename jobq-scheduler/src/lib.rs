//! Decides when jobq jobs are enqueued
