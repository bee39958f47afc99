//! Supplier file import on jobq
