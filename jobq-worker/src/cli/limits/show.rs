//! The limits that are set, and which of them count.

use jobq_core::{LaneKey, LimitName, LimitScope, LimitSetting, LimitSource, QueueName};
use serde_json::Value;

use super::super::connect::Store;
use super::super::each::look;
use super::super::exit::Failure;
use super::super::known;
use super::super::output::{self, Column};
use super::{MOST_LANES, each, setting_as_json, word};

pub(super) async fn run(
    store: &Store,
    queue: Option<&QueueName>,
    lane: Option<&LaneKey>,
    json: bool,
) -> Result<(), Failure> {
    let settings = match queue {
        Some(queue) => of_queue(store, queue, lane).await?,
        None => all(store).await?,
    };
    if let (Some(queue), true) = (queue, settings.is_empty()) {
        known::check(store, queue).await?;
    }
    let rows = rows(&settings, lane.is_some());
    if json {
        output::json(&settings.iter().map(|setting| as_json(setting, &rows)).collect())?;
    } else if rows.is_empty() {
        // All that are listed are looked at, and limits alone list no queue.
        output::line(match queue {
            Some(_) => "no limits are set: see `jobq limits set --help`",
            None => "no limits are set for a queue that had a job: see `jobq limits set --help`",
        })?;
    } else {
        output::table(&COLUMNS, rows.iter().map(Row::cells).collect())?;
    }
    Ok(())
}

/// All that is set for a queue, with the shared limit that it takes part in; or only what may hold for
/// one of its lanes.
async fn of_queue(
    store: &Store,
    queue: &QueueName,
    lane: Option<&LaneKey>,
) -> Result<Vec<LimitSetting>, Failure> {
    let mut settings = store.inspect.limits(queue, MOST_LANES).await?;
    if let Some(lane) = lane {
        settings.retain(|setting| match &setting.scope {
            LimitScope::Lanes(_) => true,
            LimitScope::Lane(_, key) => key == lane,
            _ => false,
        });
        return Ok(settings);
    }
    let parts: Vec<_> = settings.iter().filter_map(|set| set.limits.shared.clone()).collect();
    let shared = store.inspect.shared_limits().await?.into_iter();
    settings.extend(shared.filter(
        |setting| matches!(&setting.scope, LimitScope::Shared(name) if parts.contains(name)),
    ));
    Ok(settings)
}

async fn all(store: &Store) -> Result<Vec<LimitSetting>, Failure> {
    let queues = store.inspect.queue_names().await?;
    let of_queues =
        look(queues, async |queue| Ok(store.inspect.limits(&queue, MOST_LANES).await?)).await?;
    let shared = store.inspect.shared_limits().await?;
    Ok(of_queues.into_iter().flatten().chain(shared).collect())
}

/// One single limit.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    scope: &'a LimitScope,
    limit: &'static str,
    value: String,
    source: LimitSource,
    /// Whether no other setting wins over it.
    counts: bool,
    /// Whether it is a part in a shared limit that nobody has set.
    is_void: bool,
}

const COLUMNS: [Column; 5] = [
    Column::Text("of"),
    Column::Text("limit"),
    Column::Text("value"),
    Column::Text("set by"),
    Column::Text(""),
];

fn rows(settings: &[LimitSetting], of_one_lane: bool) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = settings
        .iter()
        .flat_map(|setting| {
            each(&setting.limits).into_iter().map(move |(limit, value)| Row {
                scope: &setting.scope,
                limit,
                value,
                source: setting.source,
                counts: true,
                is_void: is_void(setting, limit, settings),
            })
        })
        .collect();
    for i in 0..rows.len() {
        let wins = |other: &Row<'_>| other.wins_over(&rows[i], of_one_lane);
        rows[i].counts = !rows.iter().any(wins);
    }
    rows
}

/// Whether a limit is a part in a shared one that none of the settings is for.
fn is_void(setting: &LimitSetting, limit: &str, settings: &[LimitSetting]) -> bool {
    let is_set = |name: &LimitName| {
        settings.iter().any(|set| matches!(&set.scope, LimitScope::Shared(it) if it == name))
    };
    limit == "shared" && !setting.limits.shared.as_ref().is_some_and(is_set)
}

impl Row<'_> {
    /// Whether the other one does not count because of this one. For one lane, what is said of it wins
    /// over what is said of each.
    fn wins_over(&self, other: &Row<'_>, of_one_lane: bool) -> bool {
        let is_narrower = of_one_lane
            && matches!(self.scope, LimitScope::Lane(..))
            && matches!(other.scope, LimitScope::Lanes(_));
        let is_operators = self.scope == other.scope
            && (self.source, other.source) == (LimitSource::Operator, LimitSource::Code);
        self.limit == other.limit && (is_narrower || is_operators)
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.scope.to_string(),
            self.limit.to_owned(),
            self.value.clone(),
            word(self.source).to_owned(),
            match (self.counts, self.is_void) {
                (false, _) => "overridden",
                (true, true) => "limits nothing: nobody has set that limit",
                (true, false) => "",
            }
            .to_owned(),
        ]
    }
}

/// A setting, and which of its limits count.
fn as_json(setting: &LimitSetting, rows: &[Row<'_>]) -> Value {
    let LimitSetting { scope, source, limits, .. } = setting;
    let counts = rows
        .iter()
        .filter(|row| (row.scope, row.source) == (scope, *source) && row.counts && !row.is_void)
        .map(|row| row.limit.replace('-', "_"));
    let mut value = setting_as_json(scope, *source, limits);
    value["counts"] = counts.collect();
    value
}

#[cfg(test)]
mod tests {
    use jobq_core::Limits;
    use serde_json::json;

    use super::*;

    fn settings() -> Vec<LimitSetting> {
        let queue = QueueName::new("crm").unwrap();
        let each = LimitScope::Lanes(queue.clone());
        let seven = LimitScope::Lane(queue.clone(), LaneKey::new(7).unwrap());
        let rate = |text: &str| Limits::new().rate(text.parse().unwrap());
        let (code, operator) = (LimitSource::Code, LimitSource::Operator);
        vec![
            LimitSetting::new(LimitScope::Queue(queue), code, Limits::new().concurrency(50)),
            LimitSetting::new(each.clone(), code, rate("100/min").concurrency(5)),
            LimitSetting::new(each, operator, rate("60/min")),
            LimitSetting::new(seven, code, rate("200/min")),
        ]
    }

    fn shown(of_one_lane: bool) -> Vec<String> {
        let settings = settings();
        let row = |row: &Row<'_>| row.cells().join(" ").trim_end().to_owned();
        rows(&settings, of_one_lane).iter().map(row).collect()
    }

    #[test]
    fn what_an_operator_has_set_overrides_the_code() {
        assert_eq!(
            shown(false),
            [
                "queue crm concurrency 50 code",
                "each lane of queue crm rate 100/min code overridden",
                "each lane of queue crm concurrency 5 code",
                "each lane of queue crm rate 60/min operator",
                "lane 7 of queue crm rate 200/min code",
            ]
        );
    }

    #[test]
    fn what_is_said_of_one_lane_overrides_what_is_said_of_each() {
        assert_eq!(
            shown(true)[1..],
            [
                "each lane of queue crm rate 100/min code overridden",
                "each lane of queue crm concurrency 5 code",
                "each lane of queue crm rate 60/min operator overridden",
                "lane 7 of queue crm rate 200/min code",
            ]
        );
    }

    #[test]
    fn a_part_in_a_limit_that_nobody_has_set_is_said_to_limit_nothing() {
        let (code, name) = (LimitSource::Code, LimitName::new("api").unwrap());
        let queue = LimitScope::Queue(QueueName::new("crm").unwrap());
        let part = LimitSetting::new(queue, code, Limits::new().shared(name.clone()));
        let told = |settings: &[LimitSetting]| rows(settings, false)[0].cells()[4].clone();
        assert_eq!(told(std::slice::from_ref(&part)), "limits nothing: nobody has set that limit");

        let limit = LimitSetting::new(LimitScope::Shared(name), code, Limits::new().concurrency(1));
        assert_eq!(told(&[part, limit]), "");
    }

    #[test]
    fn programs_are_told_the_parts_of_a_scope() {
        let settings = settings();
        let rows = rows(&settings, false);

        assert_eq!(
            as_json(&settings[3], &rows),
            json!({
                "of": "lane 7 of queue crm", "queue": "crm", "each_lane": false, "lane": "7",
                "shared_limit": null, "set_by": "code", "counts": ["rate"],
                "limits": {
                    "rate": "200/min", "concurrency": null, "max_size": null, "weight": null,
                    "breaker": null, "shared": null,
                },
            })
        );
        // The rate of each lane is overridden by an operator.
        assert_eq!(as_json(&settings[1], &rows)["counts"], json!(["concurrency"]));
    }
}
