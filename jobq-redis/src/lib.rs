//! The jobq backend contract in Redis
