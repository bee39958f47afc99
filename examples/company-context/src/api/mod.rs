//! The HTTP API of `company-context serve`.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `POST /customers` | `{"name", "text"}` | 201, the customer |
//! | `PATCH /customers/ID` | `{"name"?, "text"?}` | 200, the customer |
//! | `GET /customers/ID` | | 200, the customer |
//! | `GET /status` | | 200, see [`Status`] |
//!
//! What is refused is answered with `{"error": {"code", "message"}}`, and nothing was done.

mod refusals;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_server::{Body, Refusal, method_not_allowed, not_found};
use jobq_core::{Clock, SystemClock};

use self::refusals::{away, nothing_to_change, unknown_customer};
use crate::customer::{Customer, CustomerId, check_name, check_text};
use crate::db::{Edit, Edited, Store};
use crate::dispatch::Dispatcher;
use crate::monitor::{Status, status};

/// The largest body that is read: the longest text, each character at its longest in JSON.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// What the API works on. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    store: Store,
    dispatcher: Dispatcher,
}

impl Api {
    /// An API over a database and a driver.
    #[must_use]
    pub const fn new(store: Store, dispatcher: Dispatcher) -> Self {
        Self { store, dispatcher }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/customers", post(create))
            .route("/customers/{id}", get(show).patch(edit))
            .route("/status", get(numbers))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Has a stored text condensed, and gives the customer as it is then.
    async fn dispatch(&self, customer: Customer) -> Customer {
        self.dispatcher.dispatch(&customer).await;
        match self.dispatcher {
            // The caller has waited for it, so it is shown. What is stored is stored, whatever happens now.
            Dispatcher::Sync(_) => {
                self.store.customer(customer.id).await.ok().flatten().unwrap_or(customer)
            }
            Dispatcher::Queue(_) => customer,
        }
    }
}

type Content = Result<Bytes, BytesRejection>;
type Number = Result<Path<String>, PathRejection>;
type Answer<T> = Result<T, Refusal>;
type Created = (StatusCode, [(HeaderName, String); 1], Json<Customer>);

fn customer_id(number: Number) -> Answer<CustomerId> {
    // What is no UTF-8 is no number either.
    let Path(number) = number.unwrap_or_else(|_| Path(String::new()));
    Ok(number.parse()?)
}

async fn create(State(api): State<Api>, content: Content) -> Answer<Created> {
    let mut body = Body::read(content)?;
    let (name, text) = (body.text("name")?, body.text("text")?);
    body.finish()?;
    let (name, text) = (check_name(&name)?, check_text(&text)?);
    let customer = whole(async move {
        let now = SystemClock::default().now();
        let customer = api.store.create(&name, &text, now).await.map_err(away)?;
        Ok(api.dispatch(customer).await)
    })
    .await?;
    let place = [(header::LOCATION, format!("/customers/{}", customer.id))];
    Ok((StatusCode::CREATED, place, Json(customer)))
}

async fn edit(State(api): State<Api>, id: Number, content: Content) -> Answer<Json<Customer>> {
    let id = customer_id(id)?;
    let mut body = Body::read(content)?;
    let (name, text) = (body.optional_text("name")?, body.optional_text("text")?);
    body.finish()?;
    if name.is_none() && text.is_none() {
        return Err(nothing_to_change());
    }
    let edit = Edit {
        name: name.as_deref().map(check_name).transpose()?,
        text: text.as_deref().map(check_text).transpose()?,
    };
    whole(async move {
        let now = SystemClock::default().now();
        match api.store.edit(id, &edit, now).await.map_err(away)? {
            Edited::Unknown => Err(unknown_customer(id)),
            Edited::Done(customer) if edit.text.is_none() => Ok(Json(*customer)),
            Edited::Done(customer) => Ok(Json(api.dispatch(*customer).await)),
        }
    })
    .await
}

/// Does the whole of it, even if the client goes away in the middle: what is stored is dispatched too, at once.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        // Nobody ends such a task, so it has panicked: as it would have without a task of its own.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

async fn show(State(api): State<Api>, id: Number) -> Answer<Json<Customer>> {
    let id = customer_id(id)?;
    let found = api.store.customer(id).await.map_err(away)?;
    Ok(Json(found.ok_or_else(|| unknown_customer(id))?))
}

async fn numbers(State(api): State<Api>) -> Answer<Json<Status>> {
    Ok(Json(status(&api.store, api.dispatcher.queue()).await.map_err(away)?))
}
