//! What the examples' APIs and stubs have in common: [`serve()`] waits for nobody for ever, a [`Refusal`] says what
//! was not done and why, a [`Body`] is read field by field, and [`OwnThread`] keeps a server apart from the rest of
//! its process.

pub mod body;
mod own_thread;
mod refusal;
mod serve;

pub use body::Body;
pub use own_thread::OwnThread;
pub use refusal::{Refusal, method_not_allowed, not_found};
pub use serve::serve;
