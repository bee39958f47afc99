//! Harbor: a CRM with one address for all objects, JSON in an envelope, whole cents, ids that are
//! numbers, and the idempotency key in the body.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Access, CrmError, Misfit, Provider, Remote};
use crate::entity::Entity;
use crate::fields::{Activity, Customer, Fields, Product, Sale};
use crate::ids::{RecordId, reference, referenced};

const API_KEY: &str = "x-api-key";

#[derive(Clone, Copy, Debug)]
pub(super) struct Harbor;

const fn object_type(entity: Entity) -> &'static str {
    match entity {
        Entity::Customer => "contact",
        Entity::Product => "item",
        Entity::Sale => "deal",
        Entity::Activity => "touchpoint",
    }
}

#[async_trait]
impl Provider for Harbor {
    fn to_remote(&self, record: RecordId, fields: &Fields) -> Value {
        let contact = |id| reference(Entity::Customer, id);
        let attributes = match fields {
            Fields::Customer(Customer { name, email, phone }) => json!({
                "full_name": name,
                "emails": [email],
                "phones": phone.iter().collect::<Vec<_>>(),
            }),
            Fields::Product(Product { sku, title, price_cents }) => {
                json!({"code": sku, "label": title, "unit_price_cents": price_cents})
            }
            Fields::Sale(sale) => json!({
                "title": sale.number,
                "contact_ref": contact(sale.customer),
                "amount_cents": sale.total_cents,
                "won_on": sale.sold_on,
            }),
            Fields::Activity(activity) => json!({
                "contact_ref": contact(activity.customer),
                "channel": activity.sort,
                "text": activity.note,
                "on": activity.done_on,
            }),
        };
        let entity = fields.entity();
        json!({"data": {
            "type": object_type(entity),
            "external_ref": reference(entity, record),
            "attributes": attributes,
        }})
    }

    fn to_local(&self, entity: Entity, remote: &Value) -> Result<Fields, Misfit> {
        let remote = Remote::new(entity, remote);
        let contact = || {
            remote.read("/data/attributes/contact_ref", "names no customer of ours", |text| {
                referenced(Entity::Customer, text)
            })
        };
        Ok(match entity {
            Entity::Customer => Fields::Customer(Customer {
                name: remote.text("/data/attributes/full_name")?,
                email: remote.text("/data/attributes/emails/0")?,
                phone: remote.text_if_any("/data/attributes/phones/0")?,
            }),
            Entity::Product => Fields::Product(Product {
                sku: remote.text("/data/attributes/code")?,
                title: remote.text("/data/attributes/label")?,
                price_cents: remote.number("/data/attributes/unit_price_cents")?,
            }),
            Entity::Sale => Fields::Sale(Sale {
                number: remote.text("/data/attributes/title")?,
                customer: contact()?,
                total_cents: remote.number("/data/attributes/amount_cents")?,
                sold_on: remote.text("/data/attributes/won_on")?,
            }),
            Entity::Activity => Fields::Activity(Activity {
                customer: contact()?,
                sort: remote.text("/data/attributes/channel")?,
                note: remote.text("/data/attributes/text")?,
                done_on: remote.text("/data/attributes/on")?,
            }),
        })
    }

    async fn create(
        &self,
        access: &Access<'_>,
        _entity: Entity,
        mut body: Value,
        idempotency_key: &str,
    ) -> Result<String, CrmError> {
        body["data"]["request_id"] = idempotency_key.into();
        let headers = [access.key_in(API_KEY)];
        let made = access.send(Method::POST, &["objects"], headers, Some(&body)).await?;
        made["data"]["id"]
            .as_u64()
            .map(|id| id.to_string())
            .ok_or_else(|| CrmError::Failing("the CRM's answer has no id".to_owned()))
    }

    async fn update(
        &self,
        access: &Access<'_>,
        _entity: Entity,
        external_id: &str,
        body: Value,
    ) -> Result<(), CrmError> {
        let headers = [access.key_in(API_KEY)];
        access.send(Method::PATCH, &["objects", external_id], headers, Some(&body)).await?;
        Ok(())
    }

    async fn fetch(
        &self,
        access: &Access<'_>,
        _entity: Entity,
        external_id: &str,
    ) -> Result<Value, CrmError> {
        access.send(Method::GET, &["objects", external_id], [access.key_in(API_KEY)], None).await
    }
}
