//! Tide: a CRM with an address for each sort of record, flat JSON, and an `Idempotency-Key` header.

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use super::{Access, CrmError, Misfit, Provider, Remote};
use crate::entity::Entity;
use crate::fields::{Activity, Customer, Fields, Product, Sale, cents, money};
use crate::ids::{RecordId, reference, referenced};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[derive(Clone, Copy, Debug)]
pub(super) struct Tide;

const fn collection(entity: Entity) -> &'static str {
    match entity {
        Entity::Customer => "customers",
        Entity::Product => "products",
        Entity::Sale => "sales",
        Entity::Activity => "activities",
    }
}

#[async_trait]
impl Provider for Tide {
    fn to_remote(&self, record: RecordId, fields: &Fields) -> Value {
        let customer = |id| reference(Entity::Customer, id);
        let mut body = match fields {
            Fields::Customer(Customer { name, email, phone }) => {
                json!({"name": name, "email": email, "phone": phone})
            }
            Fields::Product(Product { sku, title, price_cents }) => {
                json!({"sku": sku, "title": title, "price": money(*price_cents)})
            }
            Fields::Sale(sale) => json!({
                "number": sale.number,
                "customer": customer(sale.customer),
                "total": money(sale.total_cents),
                "closed_on": sale.sold_on,
            }),
            Fields::Activity(activity) => json!({
                "customer": customer(activity.customer),
                "kind": activity.sort,
                "summary": activity.note,
                "date": activity.done_on,
            }),
        };
        body["reference"] = reference(fields.entity(), record).into();
        body
    }

    fn to_local(&self, entity: Entity, remote: &Value) -> Result<Fields, Misfit> {
        let remote = Remote::new(entity, remote);
        let customer = || {
            remote.read("/customer", "names no customer of ours", |text| {
                referenced(Entity::Customer, text)
            })
        };
        let amount = |path: &str| remote.read(path, "is no amount of money", cents);
        Ok(match entity {
            Entity::Customer => Fields::Customer(Customer {
                name: remote.text("/name")?,
                email: remote.text("/email")?,
                phone: remote.text_if_any("/phone")?,
            }),
            Entity::Product => Fields::Product(Product {
                sku: remote.text("/sku")?,
                title: remote.text("/title")?,
                price_cents: amount("/price")?,
            }),
            Entity::Sale => Fields::Sale(Sale {
                number: remote.text("/number")?,
                customer: customer()?,
                total_cents: amount("/total")?,
                sold_on: remote.text("/closed_on")?,
            }),
            Entity::Activity => Fields::Activity(Activity {
                customer: customer()?,
                sort: remote.text("/kind")?,
                note: remote.text("/summary")?,
                done_on: remote.text("/date")?,
            }),
        })
    }

    async fn create(
        &self,
        access: &Access<'_>,
        entity: Entity,
        body: Value,
        idempotency_key: &str,
    ) -> Result<String, CrmError> {
        let headers = [access.bearer(), (IDEMPOTENCY_KEY, idempotency_key.to_owned())];
        let made = access.send(Method::POST, &[collection(entity)], headers, Some(&body)).await?;
        made["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| CrmError::Failing("the CRM's answer has no id".to_owned()))
    }

    async fn update(
        &self,
        access: &Access<'_>,
        entity: Entity,
        external_id: &str,
        body: Value,
    ) -> Result<(), CrmError> {
        let path = [collection(entity), external_id];
        access.send(Method::PUT, &path, [access.bearer()], Some(&body)).await?;
        Ok(())
    }

    async fn fetch(
        &self,
        access: &Access<'_>,
        entity: Entity,
        external_id: &str,
    ) -> Result<Value, CrmError> {
        access.send(Method::GET, &[collection(entity), external_id], [access.bearer()], None).await
    }
}
