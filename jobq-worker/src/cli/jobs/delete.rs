//! `jobq jobs delete` and `jobq forget`: jobs are deleted by their ids.

use jobq_core::inspect::DeleteOutcome;
use jobq_core::{JobId, JobRef, JobState, Kind, QueueName};
use serde_json::{Value, json};

use super::output;
use crate::cli::connect::{Address, Store};
use crate::cli::consent::{Consent, TAKES_JOBS};
use crate::cli::count::count;
use crate::cli::each::{each, look};
use crate::cli::exit::Failure;
use crate::cli::known;
use crate::cli::named::{Named, each_once};

/// What both take.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The jobs, each by its id or as `QUEUE/ID`.
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<Named<JobId>>,
    #[command(flatten)]
    consent: Consent,
    /// One JSON array with what became of each, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    delete_known(address, args, None).await
}

/// Deletes these jobs: all that nobody is running, or only those in one state.
pub(in crate::cli) async fn delete_known(
    address: &Address,
    args: &Args,
    only: Option<JobState>,
) -> Result<(), Failure> {
    args.consent.check(TAKES_JOBS)?;
    let jobs = each_once(&args.jobs);
    let store = address.connect().await?;
    known::check_each(&store, jobs.iter().filter_map(|named| named.queue.as_ref())).await?;
    let jobs = store.find_each(&jobs, None).await?;
    let seen = look(jobs, async |(id, job)| Seen::look(&store, id, job, only).await).await?;
    let is_dry_run = args.consent.is_dry_run();
    if let (false, Some(question)) = (is_dry_run, question(&seen, &address.place()?)) {
        args.consent.ask(&question)?;
    }
    let each = each(seen, async |seen| {
        let outcome = seen.delete(&store, is_dry_run).await?;
        Ok((seen, outcome))
    })
    .await;
    let told = each.done.iter();
    if args.json {
        output::json(&told.map(|(seen, outcome)| seen.as_json(*outcome)).collect())?;
    } else {
        let told = told.map(|(seen, outcome)| format!("{}  {}", seen.id, outcome.sentence()));
        output::lines(&told.collect::<Vec<_>>())?;
    }
    let all_well = each.done.iter().all(|(_, outcome)| outcome.is_well());
    each.end(all_well)
}

/// A job as it was before anything was done.
#[derive(Debug)]
struct Seen {
    id: JobId,
    facts: Option<Facts>,
    /// Why it is not to be deleted, if so.
    left: Option<Outcome>,
}

#[derive(Debug)]
struct Facts {
    queue: QueueName,
    kind: Kind,
    state: JobState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Deleted,
    WouldBeDeleted,
    Running,
    /// It was in one state when it was looked at, and in another when it was to go.
    MovedOn,
    /// It is in a state that was not asked for.
    Other(JobState),
    NotFound,
}

impl Seen {
    async fn look(
        store: &Store,
        id: JobId,
        job: Option<JobRef>,
        only: Option<JobState>,
    ) -> Result<Self, Failure> {
        let view = match job {
            Some(job) => store.inspect.job(&job.queue, job.id).await?,
            None => None,
        };
        let left = match view.as_ref().map(|view| view.state) {
            None => Some(Outcome::NotFound),
            Some(state) if only.is_some_and(|only| only != state) => Some(Outcome::Other(state)),
            Some(JobState::Leased) => Some(Outcome::Running),
            Some(_) => None,
        };
        let facts = view.map(|view| Facts {
            queue: view.record.queue,
            kind: view.record.kind,
            state: view.state,
        });
        Ok(Self { id, facts, left })
    }

    /// What it is, if it is to be deleted.
    fn to_go(&self) -> Option<&Facts> {
        self.facts.as_ref().filter(|_| self.left.is_none())
    }

    async fn delete(&self, store: &Store, is_dry_run: bool) -> Result<Outcome, Failure> {
        let Some(facts) = self.to_go() else { return Ok(self.left.unwrap_or(Outcome::NotFound)) };
        if is_dry_run {
            return Ok(Outcome::WouldBeDeleted);
        }
        let outcomes = store.inspect.delete(&facts.queue, facts.state, &[self.id]).await?;
        Ok(match outcomes.first() {
            Some(DeleteOutcome::Deleted) => Outcome::Deleted,
            Some(DeleteOutcome::Running) => Outcome::Running,
            Some(DeleteOutcome::MovedOn) => Outcome::MovedOn,
            _ => Outcome::NotFound,
        })
    }

    fn as_json(&self, outcome: Outcome) -> Value {
        let (word, state) = match outcome {
            Outcome::Deleted => ("deleted", None),
            Outcome::WouldBeDeleted => {
                ("would_be_deleted", self.facts.as_ref().map(|facts| facts.state))
            }
            Outcome::Running => ("running", Some(JobState::Leased)),
            Outcome::MovedOn => ("moved_on", None),
            Outcome::Other(state) => ("not_dead", Some(state)),
            Outcome::NotFound => ("not_found", None),
        };
        json!({
            "id": self.id.to_string(),
            "queue": self.facts.as_ref().map(|facts| facts.queue.as_str()),
            "outcome": word,
            "state": state.map(JobState::as_str),
        })
    }
}

/// What to ask before these jobs go; nothing if none would.
fn question(seen: &[Seen], place: &str) -> Option<String> {
    let going: Vec<_> = seen.iter().filter_map(|seen| Some((seen.id, seen.to_go()?))).collect();
    match going.as_slice() {
        [] => None,
        [(id, Facts { queue, kind, state })] => {
            Some(format!("delete job {queue}/{id} ({kind}, {state})?"))
        }
        several => {
            let of_state = |state: JobState| {
                let number = several.iter().filter(|(_, facts)| facts.state == state).count();
                (number > 0).then(|| format!("{number} {state}"))
            };
            let states: Vec<_> = JobState::ALL.into_iter().filter_map(of_state).collect();
            let jobs = count(several.len() as u64, "job");
            Some(format!("delete {jobs} ({}) at {place}?", states.join(", ")))
        }
    }
}

impl Outcome {
    const fn is_well(self) -> bool {
        matches!(self, Self::Deleted | Self::WouldBeDeleted)
    }

    fn sentence(self) -> String {
        match self {
            Self::Deleted => "deleted".to_owned(),
            Self::WouldBeDeleted => "would be deleted".to_owned(),
            Self::Running => "left: it runs; cancel it first".to_owned(),
            Self::MovedOn => "left: it has just moved on; see `jobq jobs show`".to_owned(),
            Self::Other(state) => format!("left: it is {state}, not dead; see `jobq jobs delete`"),
            Self::NotFound => "not found".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_what_goes_and_where() {
        let seen = |key: &str, state| {
            let (queue, kind) = (QueueName::new("crm").unwrap(), Kind::new("sync").unwrap());
            let facts = Some(Facts { queue, kind, state });
            Seen { id: JobId::from_key(key), facts, left: None }
        };
        let dead = || seen("a", JobState::Dead);
        let absent =
            || Seen { id: JobId::from_key("x"), facts: None, left: Some(Outcome::NotFound) };

        let id = JobId::from_key("a");
        let one = format!("delete job crm/{id} (sync, dead)?");
        assert_eq!(question(&[dead()], "here"), Some(one.clone()));
        assert_eq!(question(&[dead(), absent()], "here"), Some(one));
        let three = [dead(), seen("b", JobState::Ready), seen("c", JobState::Dead)];
        assert_eq!(
            question(&three, "here").as_deref(),
            Some("delete 3 jobs (1 ready, 2 dead) at here?")
        );
        assert_eq!(question(&[absent()], "here"), None);
    }
}
