//! What the handlers share.

use std::time::Duration;

use crate::db::Store;
use crate::feed::Feed;

/// How long a webhook's receiver may take to accept a connection, and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handlers share. Clones are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// The tables.
    pub store: Store,
    /// Tells those who watch jobs in this process that one has moved.
    pub feed: Feed,
    /// Delivers webhooks.
    pub http: reqwest::Client,
}

impl App {
    /// What handlers over these tables share.
    ///
    /// # Errors
    ///
    /// When the machine's certificates cannot be read.
    pub fn new(store: Store) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("bulk-leads/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A signed message goes to the address that was agreed on, and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { store, feed: Feed::new(), http })
    }
}
