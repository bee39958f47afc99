//! The connection test says what is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::io::Write;
use std::net::TcpListener;

use supplier_import::pretend_shop;

use support::PROGRAM;
use support::servers::MariaDb;

/// What the last finding is about and says, and how the program ended.
fn wrong(args: &[&str]) -> (String, String) {
    let ended = PROGRAM.run(&[&["test-connection", "--json"], args].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{}", ended.stdout);
    assert!(!ended.stdout.contains("secret") && !ended.stdout.contains("hunter2"));
    let found = ended.json();
    assert_eq!(found["ok"], false);
    let last = found["findings"].as_array().unwrap().last().unwrap().clone();
    (last["what"].as_str().unwrap().to_owned(), last["detail"].as_str().unwrap().to_owned())
}

#[track_caller]
fn assert_wrong(args: &[&str], what: &str, detail: &str) {
    let found = wrong(args);
    assert_eq!(found.0, what, "{}", found.1);
    assert!(found.1.contains(detail), "{}", found.1);
}

#[tokio::test]
async fn everything_that_can_be_wrong_has_its_words() {
    let server = MariaDb::start().await;
    let (url, port) = (server.url(), server.server.port());
    pretend_shop::build(&url, 5).await.unwrap();
    let good = PROGRAM.run(&["test-connection", "--shop", &url]);
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    assert!(good.stdout.contains("5 products, in languages 1, 2"), "{}", good.stdout);

    let at = |rest: &str| format!("mysql://{rest}");
    assert_wrong(
        &["--shop", &at("app:secret@127.0.0.1:1/shop")],
        "connection",
        "refuses connections",
    );
    let shop = at(&format!("app:hunter2@127.0.0.1:{port}/shop"));
    assert_wrong(&["--shop", &shop], "connection", "does not accept this user and password");
    let shop = at(&format!("root@127.0.0.1:{port}/none"));
    assert_wrong(&["--shop", &shop], "connection", "has no database");
    let shop = at(&format!("app:secret@127.0.0.1:{port}/mysql"));
    assert_wrong(&["--shop", &shop], "connection", "may not use the database");
    assert_wrong(&["--shop", "mysql://app@no.such.host.invalid/shop"], "connection", "no host");
    assert_wrong(&["--shop", &url, "--prefix", "shop_"], "tables", "is the prefix ps_?");
    assert_wrong(&["--shop", &url, "--shop-id", "3"], "products", "those that have: 1");

    server
        .server
        .execute(
            "GRANT USAGE ON *.* TO reader@'127.0.0.1' IDENTIFIED BY 'secret';
             GRANT SELECT ON shop.* TO reader@'127.0.0.1'",
        )
        .await
        .unwrap();
    let reader = at(&format!("reader:secret@127.0.0.1:{port}/shop"));
    assert_wrong(&["--shop", &reader], "rights", "may not do");
    assert_wrong(&["--shop", &reader], "rights", "UPDATE command denied");
    for (sql, detail) in [
        ("ALTER TABLE ps_stock_available ENGINE = MyISAM", "no transactions"),
        ("ALTER TABLE ps_product_lang DROP COLUMN available_later", "no column available_later"),
        ("DROP TABLE ps_product_lang", "no table ps_product_lang"),
    ] {
        server.server.execute(&format!("USE shop; {sql}")).await.unwrap();
        assert_wrong(&["--shop", &url], "tables", detail);
        if sql.contains("MyISAM") {
            let back = "USE shop; ALTER TABLE ps_stock_available ENGINE = InnoDB";
            server.server.execute(back).await.unwrap();
        }
    }
}

#[test]
fn a_server_of_another_kind_is_told_apart() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });

    let (what, detail) = wrong(&["--shop", &format!("mysql://app@127.0.0.1:{port}/shop")]);

    answering.join().unwrap();
    assert_eq!(what, "connection");
    assert!(detail.contains(&format!("127.0.0.1:{port}")), "{detail}");
}

#[test]
fn what_the_caller_can_put_right_ends_with_two_and_one_line() {
    for (args, error) in [
        (vec!["sync"], "which shop?"),
        (vec!["test-connection"], "which shop?"),
        (vec!["link"], "which shop?"),
        (vec!["sync", "--shop", "postgres://x/y"], "must be a MySQL or MariaDB database"),
        (vec!["sync", "--shop", "mysql://root@127.0.0.1"], "names no database"),
        (vec!["sync", "--shop", "mysql://a@b/c", "--prefix", "ps`"], "letters, digits"),
        (vec!["sync", "--queue", "memory:"], "redis://"),
        (vec!["prune", "--backend", "memory:"], "redis://"),
        (vec!["link", "/nonexistent/list.csv"], "there is no file"),
    ] {
        let ended = PROGRAM.run(&args);

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
    }
    for (args, error) in [
        (vec!["sync", "--batch", "0"], "1..=5000"),
        (vec!["sync", "--threshold", "many"], "invalid digit"),
        (vec!["sync", "--available-later", &"x".repeat(256)], "255 characters"),
        (vec!["bench-sync", "--products", "0"], "1..=1000000"),
    ] {
        let ended = PROGRAM.run(&args);

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
    }
}
