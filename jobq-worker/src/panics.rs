//! What handlers throw, and how it is kept from doing harm.

use std::any::Any;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of a panic, which is gone after that.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message").to_owned();
    drop_quietly(panic);
    text
}

/// Drops a value of the application. A panic of its destructor changes nothing.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Its payload may panic as well when it is dropped, and so on.
        forget(panic);
    }
}
