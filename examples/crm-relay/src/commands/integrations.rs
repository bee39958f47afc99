//! `integrations`: where messages go.

use program::Failure;

use super::{open, open_known};
use crate::cli::{AddArgs, DatabaseArgs, IntegrationsCommand, RotateArgs, WhichArgs};
use crate::input::check_name;
use crate::report;
use crate::signature::random_secret;

/// A secret shorter than this can be guessed.
const SHORTEST: usize = 16;
/// What the table has room for.
const LONGEST: usize = 200;

pub(super) async fn integrations(command: IntegrationsCommand) -> Result<(), Failure> {
    match command {
        IntegrationsCommand::Add(args) => add(&args).await,
        IntegrationsCommand::List(args) => list(&args).await,
        IntegrationsCommand::Activate(args) => activate(&args, true).await,
        IntegrationsCommand::Deactivate(args) => activate(&args, false).await,
        IntegrationsCommand::Rotate(args) => rotate(&args).await,
    }
}

async fn add(args: &AddArgs) -> Result<(), Failure> {
    check_name("destination", &args.destination)?;
    check_url(&args.webhook_url)?;
    let secret = Secret::of(args.secret.as_deref())?;
    let store = open(&args.database.url()?).await?;
    secret.tell()?;
    let id = store.add_integration(&args.destination, &args.webhook_url, &secret.text).await?;
    report::tell(&format!("integration {id}: messages to {} go there", args.destination))
}

async fn list(args: &DatabaseArgs) -> Result<(), Failure> {
    let found = open_known(&args.url()?).await?.integrations().await?;
    if found.is_empty() {
        report::tell("no integrations")?;
    }
    for integration in found {
        let state = if integration.is_active { "active" } else { "inactive" };
        let until = integration.previous.as_ref().map_or_else(String::new, |(_, until)| {
            format!("  signed with the old secret, too, until {until}")
        });
        report::tell(&format!(
            "{}  {}  {state}  {}{until}",
            integration.id, integration.destination, integration.webhook_url
        ))?;
    }
    Ok(())
}

async fn activate(args: &WhichArgs, is_active: bool) -> Result<(), Failure> {
    if open_known(&args.database.url()?).await?.activate(args.id, is_active).await? {
        let state = if is_active { "active" } else { "inactive" };
        report::tell(&format!("integration {}: {state}", args.id))?;
        return Ok(());
    }
    Err(unknown(args.id))
}

async fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let secret = Secret::of(args.secret.as_deref())?;
    let store = open_known(&args.database.url()?).await?;
    let known = store.integrations().await?.into_iter().find(|one| one.id == args.id);
    let known = known.ok_or_else(|| unknown(args.id))?;
    if known.secret == secret.text {
        let message = "that is the secret it has: give another one, or none to have one made";
        return Err(Failure::usage(message));
    }
    if let Some((_, until)) = known.previous.filter(|(_, until)| store.now() < *until)
        && !args.force
    {
        let message = format!(
            "the receiver may still go by the secret from before the last change, until {until}, and would \
             refuse all messages: wait, or give --force"
        );
        return Err(Failure::usage(message));
    }
    secret.tell()?;
    if !store.rotate_secret(args.id, &secret.text, args.overlap).await? {
        return Err(unknown(args.id));
    }
    let overlap = jobq_core::duration::text(args.overlap);
    report::tell(&format!("integration {}: signed with both secrets for {overlap}", args.id))
}

fn unknown(id: i64) -> Failure {
    Failure::usage(format!("there is no integration {id}"))
}

/// An address that can be posted to, without a password, which would be shown by `list`.
fn check_url(text: &str) -> Result<(), Failure> {
    let refused = |why| Err(Failure::usage(format!("the webhook's address {why}")));
    match reqwest::Url::parse(text) {
        Err(error) => refused(format!("cannot be read: {error}")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            refused("must begin with https:// or http://".to_owned())
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            refused("must have no user or password: messages are signed".to_owned())
        }
        Ok(_) => Ok(()),
    }
}

/// What messages are signed with.
struct Secret {
    text: String,
    is_made: bool,
}

impl Secret {
    fn of(given: Option<&str>) -> Result<Self, Failure> {
        match given {
            None => {
                let text = random_secret().map_err(|error| Failure::failed(&error))?;
                Ok(Self { text, is_made: true })
            }
            Some(text)
                if (SHORTEST..=LONGEST).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Ok(Self { text: text.to_owned(), is_made: false })
            }
            Some(_) => {
                let message = format!(
                    "a secret has {SHORTEST} to {LONGEST} characters of ASCII without spaces"
                );
                Err(Failure::usage(message))
            }
        }
    }

    /// Prints a secret that nobody knows yet. It is not shown again, so that it comes before everything else.
    fn tell(&self) -> Result<(), Failure> {
        if self.is_made { report::tell_once(&format!("secret: {}", self.text)) } else { Ok(()) }
    }
}
