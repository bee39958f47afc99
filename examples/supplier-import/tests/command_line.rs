//! The program as a whole: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::{Ended, Place};
use serde_json::json;

use support::PROGRAM;

const HEADER: &str = "sku,ean,stock_quantity,delivery_days,purchase_price\n";

/// Imports a file into a database with 100 products.
fn import(content: impl AsRef<[u8]>, more: &[&str]) -> Ended {
    let place = Place::new();
    let file = place.file("list", content);
    let db = place.sqlite();
    assert_eq!(PROGRAM.run(&["seed", "--products", "100", "--db", &db]).code, Some(0));
    PROGRAM.run(&[&["import", file.to_str().unwrap(), "--db", &db, "--json"], more].concat())
}

fn assert_failed(ended: &Ended, error: &str) {
    assert_eq!(ended.code, Some(1), "{} {}", ended.stdout, ended.stderr);
    assert_eq!(ended.stderr, "");
    let summary = ended.json();
    assert_eq!(summary["status"], "failed");
    let found = summary["error"].as_str().unwrap();
    assert!(found.contains(error), "{found}");
    assert_eq!(summary["updated"], 0);
}

#[test]
fn without_arguments_a_whole_import_runs() {
    let ended = PROGRAM.run(&["--json"]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "", "there is no progress bar where there is no terminal");
    let summary = ended.json();
    assert_eq!(summary["status"], "completed");
    assert_eq!(summary["rows_read"], 12_465);
    assert_eq!(summary["updated"], 12_328);
    assert_eq!(summary["unmatched"], 124);
    assert_eq!(summary["rejected"], 13);
}

#[test]
fn a_generated_file_is_the_same_each_time_and_imports_from_either_format() {
    let place = Place::new();
    let db = place.sqlite();
    assert_eq!(PROGRAM.run(&["seed", "--products", "12465", "--db", &db]).code, Some(0));
    let mut summaries = Vec::new();

    for name in ["list.csv", "list.xml"] {
        let (file, again) = (place.path(name), place.path(&format!("again-{name}")));
        for file in [&file, &again] {
            let file = file.to_str().unwrap();
            let ended =
                PROGRAM.run(&["generate", "--rows", "12465", "--bad", "100", "--seed", "7", file]);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&again).unwrap());
        let ended = PROGRAM.run(&["import", file.to_str().unwrap(), "--db", &db, "--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        summaries.push(ended.json());
    }

    let counts = |summary: &serde_json::Value| {
        ["rows_read", "updated", "unmatched", "rejected"]
            .map(|name| summary[name].as_u64().unwrap())
    };
    assert_eq!(counts(&summaries[0]), [12_465, 12_242, 123, 100]);
    assert_eq!(counts(&summaries[0]), counts(&summaries[1]));
    let reasons = |summary: &serde_json::Value| {
        let rejections = summary["rejections"].as_array().unwrap();
        rejections.iter().map(|rejection| rejection["reason"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&summaries[0]).len(), 100);
    assert_eq!(reasons(&summaries[0]), reasons(&summaries[1]));
}

#[test]
fn a_limit_reads_so_many_rows() {
    let place = Place::new();
    let (db, file) = (place.sqlite(), place.path("list.csv"));
    let file = file.to_str().unwrap();
    PROGRAM.run(&["seed", "--products", "3000", "--db", &db]);
    PROGRAM.run(&["generate", "--rows", "3000", file]);

    let ended = PROGRAM.run(&["import", file, "--db", &db, "--limit", "1250", "--json"]);
    let none = PROGRAM.run(&["import", file, "--db", &db, "--limit", "0", "--json"]);

    assert_eq!(ended.json()["rows_read"], 1_250);
    assert_eq!(ended.json()["updated"], 1_238);
    assert_eq!((none.code, &none.json()["rows_read"]), (Some(0), &json!(0)));
}

#[test]
fn rows_are_mapped_and_bad_ones_reported_with_line_and_reason() {
    let content = "KOD;stan;dni;cena netto\nAGD-0000001;5;2;12,50\nX-1;brak;2;1\nX-2;1;2;1\n";

    let ended = import(
        content,
        &[
            "--delimiter",
            ";",
            "--map",
            "sku=KOD",
            "--map",
            "ean=",
            "--map",
            "stock_quantity=stan",
            "--map",
            "delivery_days=dni",
            "--map",
            "purchase_price=cena netto",
        ],
    );

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = ended.json();
    assert_eq!(summary["rows_read"], 3);
    assert_eq!(
        summary["rejections"],
        json!([{"line": 3, "reason": "stock_quantity \"brak\" is not a whole number"}])
    );
}

#[test]
fn a_file_without_rows_has_a_summary() {
    let ended = import(HEADER, &[]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.json()["rows_read"], 0);
    assert_eq!(ended.json()["status"], "completed");
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_name() {
    let ended = import(format!("\u{feff}{HEADER}X,,1,1,1\n"), &[]);

    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(ended.json()["unmatched"], 1);
}

#[test]
fn a_faulty_file_fails_the_import_and_updates_nothing() {
    let good = "AGD-0000001,,1,1,1.00\n".repeat(2_000);
    let truncated = format!("{HEADER}{good}\"AGD");
    let mut wrong_encoding = format!("{HEADER}{good}").into_bytes();
    wrong_encoding.extend(b"\xafubr,,1,1,1\n");

    assert_failed(&import(truncated, &[]), "line 2002: a quoted value in this row is never closed");
    assert_failed(&import(wrong_encoding, &[]), "line 2002: character 1 (byte 0xAF) is not UTF-8");
    assert_failed(&import(b"\xff\xfes\0k\0u\0", &[]), "UTF-16");
    assert_failed(&import("", &[]), "the file is empty");
    assert_failed(&import(HEADER, &["--map", "sku=KOD"]), "no column \"KOD\" (for sku)");
    assert_failed(&import("<a><b><sku>1</sku>", &[]), "ends inside of <b>");
}

#[test]
fn what_the_caller_can_put_right_ends_with_two_and_one_line() {
    let place = Place::new();
    let file = place.file("list.csv", HEADER);
    let file = file.to_str().unwrap();
    let dir = place.path("");
    let missing = place.path("missing.csv");
    let missing = missing.to_str().unwrap();
    for (args, error) in [
        (vec!["import", missing], "there is no file"),
        (vec!["import", dir.to_str().unwrap()], "is a directory, not a file"),
        (vec!["import", file, "--max-bytes", "10"], "larger than 10 bytes"),
        (vec!["import", file, "--db", "postgres://x"], "must be sqlite://FILE or mysql://"),
        (
            vec!["import", file, "--queue", "amqp://x", "--db", &place.sqlite()],
            "must be memory: or redis://",
        ),
        (vec!["import", file, "--enqueue-only"], "--enqueue-only needs a queue"),
        (vec!["import", file, "--map", "sku=", "--map", "ean="], "cannot both be left out"),
        (vec!["work", "--backend", "memory:"], "needs a queue that it can share"),
        (vec!["generate", "/nonexistent/list.csv"], "cannot write /nonexistent/list.csv"),
        (vec!["summary", "nonsense", "--db", &place.sqlite()], "knows no import nonsense"),
    ] {
        let ended = PROGRAM.run(&args);

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
    for (args, error) in [
        (vec!["import", file, "--map", "price=x"], "there is no field \"price\""),
        (vec!["import", file, "--delimiter", "ab"], "give one character"),
        (vec!["import", file, "--chunk-rows", "0"], "1..=1000"),
        (vec!["import", file, "--concurrency", "0"], "at least 1"),
        (vec!["work", "--backend", "redis://x", "--concurrency", "0"], "at least 1"),
        (vec!["import", "ftp://x/y"], "cannot read from ftp://"),
        (vec!["imprt"], "unrecognized subcommand"),
    ] {
        let ended = PROGRAM.run(&args);

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn servers_that_are_not_there_are_named_without_their_passwords() {
    let place = Place::new();
    let file = place.file("list.csv", HEADER);
    let file = file.to_str().unwrap();

    let db = PROGRAM.run(&["import", file, "--db", "mysql://app:hunter2@127.0.0.1:1/shop"]);
    let queue = PROGRAM.run(&[
        "import",
        file,
        "--db",
        &place.sqlite(),
        "--queue",
        "redis://:hunter2@127.0.0.1:1",
    ]);

    for ended in [db, queue] {
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}
