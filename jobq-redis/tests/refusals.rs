//! What a server that cannot serve is told apart by.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::time::Duration;

use jobq_core::{Backend, ErrorKind};
use jobq_redis::{RedisBackend, RedisConfig, TestServer};
use support::{eventually, job};

fn with_user(rule: &str) -> TestServer {
    let words: Vec<_> = std::iter::once("--user").chain(rule.split(' ')).collect();
    TestServer::start_with(&words).unwrap()
}

#[tokio::test]
async fn nothing_listening_is_told_with_the_address() {
    let mut server = TestServer::start().unwrap();
    server.kill();

    let error = RedisBackend::connect(&server.url()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected =
        format!("nothing listens at 127.0.0.1:{}: is Redis running there?", server.port());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_refused_without_being_shown() {
    let server = TestServer::start_with(&["--requirepass", "right-secret"]).unwrap();
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());

    for url in [server.url(), with("wrong-secret")] {
        let error = RedisBackend::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("refused the user name or password"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        // What the server says of it adds nothing.
        assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    }
    RedisBackend::connect(&with("right-secret")).await.unwrap();
}

#[tokio::test]
async fn a_user_without_rights_is_refused() {
    let server = with_user("reader on >pw ~* +@read +hello +ping +time");
    let url = format!("redis://reader:pw@127.0.0.1:{}", server.port());

    let error = RedisBackend::connect(&url).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("ACL"), "{error}");
}

#[tokio::test]
async fn a_replica_is_refused_and_its_primary_named_as_the_remedy() {
    let primary = TestServer::start().unwrap();
    let port = primary.port().to_string();
    let replica = TestServer::start_with(&["--replicaof", "127.0.0.1", &port]).unwrap();

    let error = RedisBackend::connect(&replica.url()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("read-only replica: give the URL of the primary"),
        "{error}"
    );
}

#[tokio::test]
async fn a_primary_that_is_demoted_and_promoted_again_is_followed() {
    let other = TestServer::start().unwrap();
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    let mut connection = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut replicate = async |host: &str, port: &str| {
        redis::cmd("REPLICAOF").arg(host).arg(port).exec_async(&mut connection).await.unwrap();
    };

    replicate("127.0.0.1", &other.port().to_string()).await;
    let error = backend.enqueue_jobs(&[job()]).await.unwrap_err();
    replicate("NO", "ONE").await;

    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    eventually(async || backend.enqueue_jobs(&[job()]).await).await;
}

#[tokio::test]
async fn a_cluster_node_is_refused() {
    let server = TestServer::start_with(&["--cluster-enabled", "yes"]).unwrap();

    let error = RedisBackend::connect(&server.url()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("cluster mode"), "{error}");
}

#[tokio::test]
async fn an_evicting_policy_is_warned_of_at_start() {
    let evicting =
        TestServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
            .unwrap();
    let safe = TestServer::start().unwrap();

    let warnings = RedisBackend::connect(&evicting.url()).await.unwrap().warnings().await;
    assert!(warnings[0].contains("maxmemory-policy allkeys-lru"), "{warnings:?}");
    let none = RedisBackend::connect(&safe.url()).await.unwrap().warnings().await;
    assert!(none.is_empty(), "{none:?}");
}

#[tokio::test]
async fn a_unix_socket_and_a_database_number_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let path = socket.to_str().unwrap();
    let _server = TestServer::start_with(&["--unixsocket", path]).unwrap();
    let backend = RedisBackend::connect(&format!("unix://{path}?db=3")).await.unwrap();

    backend.enqueue_jobs(&[job()]).await.unwrap();

    assert_eq!(support::lease(&backend, 1).await.leases.len(), 1);
    assert_eq!(backend.address(), format!("{path}, database 3"));
}

#[tokio::test]
async fn a_port_of_something_else_is_told_in_one_line() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let web = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = web.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = web.accept().await {
            let _ = client.read(&mut [0; 1_024]).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });

    let error = RedisBackend::connect(&format!("redis://127.0.0.1:{port}")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = format!(
        "what listens at 127.0.0.1:{port} does not answer as Redis does: is that its port?"
    );
    assert_eq!(error.to_string(), expected);
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let server = TestServer::start().unwrap();

    let error = RedisBackend::connect(&format!("{}/99", server.url())).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let expected =
        format!("Redis at 127.0.0.1:{} has no database 99: see its `databases`", server.port());
    assert_eq!(error.to_string(), expected);
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_without_tls_is_told_as_what_it_may_be() {
    let server = TestServer::start().unwrap();
    let url = format!("rediss://127.0.0.1:{}", server.port());
    let config = RedisConfig::new(&url).unwrap().connect_timeout(Duration::from_millis(300));

    let error = RedisBackend::connect_with(config).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let expected = format!(
        "what listens at 127.0.0.1:{} speaks no TLS, or did not answer in time: is it redis:// there?",
        server.port()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn trips_to_a_server_that_is_silent_are_given_up_once() {
    // It takes connections, and never answers.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (told, mut connections) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((client, _)) = silent.accept().await {
            open.push(client);
            let _ = told.send(());
        }
    });
    let config = RedisConfig::new(&format!("redis://127.0.0.1:{port}")).unwrap();
    let short = Duration::from_millis(100);
    let config = config.connect_timeout(short).response_timeout(short);
    let backend = RedisBackend::lazy(config).unwrap();

    let error = backend.round_trips(3).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(connections.recv().await, Some(()));
    assert!(connections.try_recv().is_err(), "it has connected twice");
}
