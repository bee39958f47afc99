//! Flow control by the command line: lanes, limits, unique keys, parents, batches, and why a job waits.

use jobq_core::{BatchId, Job, JobId, JobState, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::stage::{Stage, text};

/// Runs a command that must succeed, and gives what it prints.
fn said(stage: &Stage, line: &str) -> String {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let output = stage.run(&arguments);
    assert!(output.status.success(), "{line}: {output:?}");
    text(&output.stdout)
}

/// Runs a command that must fail with this code, and gives what it complains about.
fn complaint(stage: &Stage, code: i32, line: &str) -> String {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let output = stage.run(&arguments);
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    let told = text(&output.stderr);
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn json(stage: &Stage, line: &str) -> Value {
    serde_json::from_str(&said(stage, line)).unwrap()
}

/// The id that the command line printed first.
fn id(printed: &str) -> JobId {
    printed.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

#[tokio::test]
async fn lanes_are_shown_paused_and_resumed() {
    let stage = Stage::set().await;
    said(&stage, "enqueue sync --queue crm --lane 7");
    said(&stage, "enqueue sync --queue crm --lane 8 --cost 5");

    assert!(
        said(&stage, "pause crm --lane 7")
            .contains("lane 7 of queue crm is paused: 0 leased, 1 ready")
    );
    let lanes = &json(&stage, "lanes crm --json")["lanes"];
    assert_eq!((&lanes[0]["lane"], &lanes[0]["paused"]), (&"7".into(), &true.into()));
    assert_eq!((&lanes[1]["lane"], &lanes[1]["paused"]), (&"8".into(), &false.into()));
    let table = stage.run(&["lanes", "crm", "--limit", "1"]);
    assert!(text(&table.stdout).contains("paused"), "{table:?}");
    assert_eq!(text(&table.stderr), "and more: --after 7\n");

    assert!(said(&stage, "resume crm --lane 7").contains("is resumed: 1 ready"));
    assert_eq!(json(&stage, "lanes crm --json")["lanes"][0]["paused"], false);
    said(&stage, "enqueue sync --queue mail");
    assert!(said(&stage, "lanes mail").contains("no lanes in queue mail"));
}

#[tokio::test]
async fn limits_are_set_one_by_one_and_cleared() {
    let stage = Stage::set().await;
    said(&stage, "limits set crm --each-lane --rate 100/min");
    assert_eq!(
        said(&stage, "limits set crm --each-lane --concurrency 5").trim(),
        "each lane of queue crm: rate 100/min, concurrency 5"
    );
    said(&stage, "limits set crm --lane 7 --weight 3");
    said(&stage, "limits set --shared-limit api --rate 1000/h");
    said(&stage, "limits set crm --shared api --max-size 2");

    let settings = json(&stage, "limits crm --json");
    let counts: Vec<_> = settings.as_array().unwrap().iter().map(|set| &set["counts"]).collect();
    assert_eq!(
        counts,
        [
            &json!(["max_size", "shared"]),
            &json!(["rate", "concurrency"]),
            &json!(["weight"]),
            &json!(["rate"])
        ]
    );
    assert_eq!(settings[0]["limits"]["max_size"], 2);
    let set = json(&stage, "limits set crm --max-size 2 --json");
    assert_eq!((&set["queue"], &set["limits"]), (&json!("crm"), &settings[0]["limits"]));

    said(&stage, "enqueue sync --queue crm");
    said(&stage, "enqueue sync --queue crm");
    let full = complaint(&stage, 1, "enqueue sync --queue crm");
    assert!(full.contains("crm"), "{full}");

    said(&stage, "limits clear crm --max-size");
    said(&stage, "enqueue sync --queue crm");
    let tried = said(&stage, "limits clear crm --dry-run");
    assert_eq!(tried.trim(), "queue crm: no limits of operators would be left");
    let cleared = said(&stage, "limits clear crm");
    assert_eq!(cleared.trim(), "queue crm: no limits of operators are left");
    said(&stage, "limits clear crm --each-lane --rate");
    let left = json(&stage, "limits crm --json");
    let left: Vec<_> = left.as_array().unwrap().iter().map(|set| &set["counts"]).collect();
    assert_eq!(left, [&json!(["concurrency"]), &json!(["weight"])]);
    assert!(said(&stage, "limits clear crm").contains("operators had set nothing"));
}

#[tokio::test]
async fn unique_keys_are_held_and_shown() {
    let stage = Stage::set().await;
    let first = id(&said(&stage, "enqueue sync --queue crm --unique [7,12]"));
    assert!(said(&stage, "enqueue sync --queue crm --unique [7,12]").contains("was there already"));
    let newer = said(&stage, "enqueue sync --queue crm --unique 9 --unique-mode debounce(1h)");
    let newest = said(&stage, "enqueue sync --queue crm --unique 9 --unique-mode debounce(1h)");
    assert!(newest.contains(&format!("takes the place of {}", id(&newer))), "{newest}");

    let shown = json(&stage, "unique --kind sync --fields [7,12] --json");
    assert_eq!(shown["holders"][0]["id"], first.to_string());
    assert_eq!(shown["holders"][0]["state"], "ready");
    let by_key = said(&stage, &format!("unique {}", shown["key"].as_str().unwrap()));
    assert!(by_key.contains(&format!("crm/{first}  holds it, and is ready")), "{by_key}");
    assert!(said(&stage, "unique --kind sync --fields 8").contains("nobody holds"));
}

#[tokio::test]
async fn a_job_runs_after_others() {
    let stage = Stage::set().await;
    let (log, first) = (stage.path("log"), "sleep 1; echo first");
    let write = |word: &str| format!("{word} >> {}", log.display());
    let parent = stage.enqueue(&write(first), &["--retention", "1h"]);
    let child = stage.enqueue(&write("echo second"), &["--after", &parent.to_string()]);

    let explained = json(&stage, &format!("explain {child} --json"));
    assert_eq!(
        (&explained["state"], &explained["reasons"][0]["code"]),
        (&"waiting".into(), &"parents".into())
    );
    let (code, worker) = stage.work(&["--max-jobs", "2"]).end();

    assert_eq!(code, Some(0), "{worker}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "first\nsecond\n");
    let unknown = complaint(&stage, 1, &format!("enqueue sync --after {}", JobId::from_key("x")));
    assert!(unknown.contains("nothing is known of job"), "{unknown}");
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "command")]
struct Report {
    program: String,
}

#[tokio::test]
async fn batches_are_shown_closed_retried_and_called_off() {
    let stage = Stage::set().await;
    let batch = BatchId::from_key("prices");
    let open = stage.backend.batch("prices").id(batch).on("import");
    open.on_complete(Report { program: "true".to_owned() }).open().await.unwrap();
    let good = stage.path("good");
    let luck = format!("[ -e {} ] || {{ echo no luck; exit 3; }}", good.display());
    let of_batch = ["--queue", "import", "--max-attempts", "1", "--batch", &batch.to_string()];
    stage.enqueue("true", &of_batch);
    let failed = stage.enqueue(&luck, &of_batch);

    let work = || stage.work(&["--queue", "import", "--stop-when-empty"]).end();
    assert_eq!(work().0, Some(0));
    assert!(said(&stage, "batches import").contains("prices"));
    let shown = json(&stage, &format!("batch {batch} --json"));
    assert_eq!(
        (&shown["state"], &shown["done"], &shown["failed"]),
        (&"open".into(), &1.into(), &1.into())
    );
    assert_eq!(shown["failed_jobs"][0]["id"], failed.to_string());
    let text = said(&stage, &format!("batch {batch}"));
    assert!(text.contains("1 of 2 done, 1 failed") && text.contains("no luck"), "{text}");

    assert!(said(&stage, &format!("batch {batch} close")).contains("is closed"));
    assert!(!complaint(&stage, 1, &format!("batch {batch} close")).is_empty());
    std::fs::write(&good, "").unwrap();
    let retry = format!("batch {batch} retry");
    let tried = json(&stage, &format!("{retry} --dry-run --json"));
    let found = json!([{ "queue": "import", "state": "dead", "count": 1 }]);
    assert_eq!((&tried["found"], &tried["requeued"]), (&found, &json!(0)));
    assert!(said(&stage, &retry).contains("1 job put back, 0 left"));
    assert_eq!(work().0, Some(0));
    assert_eq!(json(&stage, &format!("batch {batch} --json"))["state"], "succeeded");

    let ended = complaint(&stage, 1, &format!("batch {batch} call-off --yes"));
    assert_eq!(ended, format!("jobq: batch {batch} has ended: nothing is left to call off\n"));

    let other = BatchId::from_key("other");
    stage.backend.batch("other").id(other).on("import").open().await.unwrap();
    let waiting = stage.enqueue("true", &["--queue", "import", "--batch", &other.to_string()]);
    assert!(said(&stage, &format!("batch {other} call-off --yes")).contains("is called off"));
    assert_eq!(work().0, Some(0));
    assert_eq!(json(&stage, &format!("batch {other} --json"))["cancelled"], 1);
    assert!(complaint(&stage, 1, &format!("explain {waiting}")).contains("nothing is known"));
    let unknown = complaint(&stage, 1, &format!("batch {}", BatchId::from_key("x")));
    assert!(unknown.contains("is not known"), "{unknown}");
}

#[tokio::test]
async fn it_is_explained_why_a_job_waits() {
    let stage = Stage::set().await;
    let job = id(&said(&stage, "enqueue sync --queue crm --lane 7"));
    let explained = said(&stage, &format!("explain {job}"));
    assert!(explained.contains("no living worker serves queue crm"), "{explained}");

    said(&stage, "pause crm");
    said(&stage, "limits set crm --lane 7 --concurrency 1");
    let explained = json(&stage, &format!("explain {job} --json"));
    let codes: Vec<_> =
        explained["reasons"].as_array().unwrap().iter().map(|reason| &reason["code"]).collect();
    assert_eq!(codes, ["queue_paused", "no_worker"], "{explained}");
    assert_eq!(explained["starts_at"], Value::Null);

    let later = id(&said(&stage, "enqueue sync --queue crm --after 1h"));
    let explained = said(&stage, &format!("explain {later} --queue crm"));
    assert!(explained.contains("scheduled") && explained.contains("(in 59m"), "{explained}");

    let dead = stage.enqueue("echo broken; exit 1", &["--max-attempts", "1"]);
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    assert_eq!(stage.job(dead).await.unwrap().state, JobState::Dead);
    let explained = said(&stage, &format!("explain {dead}"));
    assert!(
        explained.contains("with attempt 1 of 1: error:") && explained.contains("broken"),
        "{explained}"
    );
}
