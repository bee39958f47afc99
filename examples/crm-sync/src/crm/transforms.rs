//! What every provider must do with every entity.

use serde_json::{Value, json};

use super::{PROVIDERS, Provider, provider};
use crate::entity::Entity;
use crate::fields::{Activity, Customer, Fields, Product, Sale};
use crate::ids::RecordId;

fn id(number: u64) -> RecordId {
    RecordId::new(number).unwrap()
}

fn samples() -> Vec<Fields> {
    vec![
        Fields::Customer(Customer {
            name: "Zoë Świątek".to_owned(),
            email: "zoe@example.com".to_owned(),
            phone: Some("+48 600 000 000".to_owned()),
        }),
        Fields::Customer(Customer {
            name: "No Phone".to_owned(),
            email: "n@example.com".to_owned(),
            phone: None,
        }),
        Fields::Product(Product {
            sku: "A-1".to_owned(),
            title: "Anvil".to_owned(),
            price_cents: 12_345,
        }),
        Fields::Sale(Sale {
            number: "2026/11/7".to_owned(),
            customer: id(42),
            total_cents: -305,
            sold_on: "2026-11-22".to_owned(),
        }),
        Fields::Activity(Activity {
            customer: id(42),
            sort: "call".to_owned(),
            note: "wants \"two\"".to_owned(),
            done_on: "2026-11-22".to_owned(),
        }),
    ]
}

fn all() -> impl Iterator<Item = &'static dyn Provider> {
    PROVIDERS.into_iter().map(|name| provider(name).unwrap())
}

#[test]
fn what_goes_to_the_crm_comes_back_the_same() {
    for provider in all() {
        for fields in samples() {
            let remote = provider.to_remote(id(7), &fields);
            assert_eq!(provider.to_local(fields.entity(), &remote).as_ref(), Ok(&fields));
        }
    }
}

#[test]
fn each_crm_has_its_own_words() {
    let customer = &samples()[0];

    assert_eq!(
        provider("tide").unwrap().to_remote(id(7), customer),
        json!({"reference": "customer/7", "name": "Zoë Świątek", "email": "zoe@example.com",
               "phone": "+48 600 000 000"})
    );
    assert_eq!(
        provider("harbor").unwrap().to_remote(id(7), customer),
        json!({"data": {"type": "contact", "external_ref": "customer/7", "attributes": {
            "full_name": "Zoë Świątek", "emails": ["zoe@example.com"],
            "phones": ["+48 600 000 000"]}}})
    );
}

#[test]
fn what_cannot_be_ours_is_refused_with_its_field() {
    let tide = provider("tide").unwrap();
    let message = |entity, remote: Value| tide.to_local(entity, &remote).unwrap_err().to_string();

    assert_eq!(
        message(Entity::Customer, json!({"name": "x"})),
        "the CRM's customer cannot be read: email is missing"
    );
    assert_eq!(
        message(Entity::Product, json!({"sku": "a", "title": "b", "price": "1,50"})),
        "the CRM's product cannot be read: price is no amount of money"
    );
    assert_eq!(
        message(Entity::Sale, json!({"number": "1", "customer": "contact/1"})),
        "the CRM's sale cannot be read: customer names no customer of ours"
    );
    for provider in all() {
        for entity in Entity::ALL {
            for nothing in [json!(null), json!([]), json!("x"), json!({"data": 1})] {
                assert!(provider.to_local(entity, &nothing).is_err());
            }
        }
    }
}

#[test]
fn there_is_no_crm_of_another_name() {
    assert!(provider("Tide").is_none());
    assert!(provider("").is_none());
}
