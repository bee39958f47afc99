//! API keys.

use std::process::ExitCode;

use program::{Failure, report};
use serde_json::json;

use super::open;
use crate::api_key::{ApiKey, random_hex};
use crate::cli::{AddKeyArgs, KeysCommand, LimitKeyArgs, ListKeysArgs, RevokeKeyArgs};
use crate::db::{KeyRecord, NewKey};
use crate::limits::{LimitOverrides, Limits};

pub(super) async fn keys(command: KeysCommand) -> Result<ExitCode, Failure> {
    match command {
        KeysCommand::Add(args) => add(&args).await,
        KeysCommand::List(args) => list(&args).await,
        KeysCommand::Limit(args) => limit(&args).await,
        KeysCommand::Revoke(args) => revoke(&args).await,
    }
}

async fn add(args: &AddKeyArgs) -> Result<ExitCode, Failure> {
    if args.name.chars().count() > 100 {
        return Err(Failure::usage("a name may have 100 characters at most"));
    }
    let store = open(&args.database.url()).await?;
    let key = ApiKey::generate()?;
    let secret = random_hex::<32>()?;
    let webhook = args.webhook.as_deref().map(|url| (url, secret.as_str()));
    let new = NewKey {
        key: &key,
        user_id: args.user,
        name: &args.name,
        is_premium: args.premium,
        limits: args.limits.overrides(),
        webhook,
    };
    store.add_key(&new).await?;
    let webhook_secret = webhook.map(|(_, secret)| secret);
    if args.json {
        report::json(&json!({
            "id": key.id(),
            "key": key.reveal(),
            "user": args.user,
            "webhook_secret": webhook_secret,
        }));
    } else {
        report::line(&format!("key             {}", key.reveal()));
        if let Some(secret) = webhook_secret {
            report::line(&format!("webhook secret  {secret}"));
        }
        report::line("Keep them: they cannot be shown again.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListKeysArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    for key in store.keys().await? {
        if args.json {
            report::json(&json!({
                "id": key.id,
                "user": key.user_id,
                "name": key.name,
                "premium": key.is_premium,
                "limits": key.limits.over(Limits::default()),
                "webhook": key.webhook.as_ref().and_then(|(url, _)| without_password(url)),
                "created_at": key.created_at.to_string(),
                "revoked_at": key.revoked_at.map(|at| at.to_string()),
            }));
        } else {
            report::line(&shown(&key));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(key: &KeyRecord) -> String {
    let Limits {
        max_pending_jobs,
        max_jobs_per_day,
        max_leads_per_job,
        max_leads_per_day,
        min_seconds_between_jobs,
    } = key.limits.over(Limits::default());
    let mut text = format!(
        "{}  user {}  {} pending, {} jobs a day, {} leads a job, {} leads a day, {} s between jobs",
        key.id,
        key.user_id,
        report::grouped(max_pending_jobs),
        report::grouped(max_jobs_per_day),
        report::grouped(max_leads_per_job),
        report::grouped(max_leads_per_day),
        report::grouped(min_seconds_between_jobs),
    );
    for (is_so, word) in [
        (key.is_premium, "premium"),
        (key.webhook.is_some(), "webhook"),
        (key.revoked_at.is_some(), "REVOKED"),
    ] {
        if is_so {
            text.push_str(&format!("  {word}"));
        }
    }
    if !key.name.is_empty() {
        text.push_str(&format!("  {:?}", key.name));
    }
    text
}

async fn limit(args: &LimitKeyArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    let key = store.key(&args.id).await?.ok_or_else(|| unknown(&args.id))?;
    let before = if args.reset { LimitOverrides::default() } else { key.limits };
    store.limit_key(&args.id, args.limits.overrides().or(&before)).await?;
    if let Some(key) = store.key(&args.id).await? {
        report::line(&shown(&key));
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(args: &RevokeKeyArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    if !store.revoke_key(&args.id).await? {
        return Err(unknown(&args.id));
    }
    report::line(&format!("key {} is of no use any more", args.id));
    Ok(ExitCode::SUCCESS)
}

/// An address without the name and the password that it may hold; `None` if it is none.
fn without_password(url: &str) -> Option<String> {
    let mut url = reqwest::Url::parse(url).ok()?;
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    Some(url.into())
}

fn unknown(id: &str) -> Failure {
    let shown: String = id.chars().take(40).collect();
    Failure::usage(format!("there is no key {shown:?}: `keys list` shows those there are"))
}
