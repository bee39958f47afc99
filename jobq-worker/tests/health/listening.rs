//! The listener itself: where it listens, whom it answers, and what it does not put up with.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use jobq_core::{ErrorKind, MemoryBackend};
use jobq_worker::Health;

use crate::http::{connect, get, read, send};
use crate::{served, worker};

#[test]
fn a_port_alone_is_served_on_this_machine_alone() {
    let (_health, listener) = served(&MemoryBackend::new());

    assert!(listener.address().ip().is_loopback());
    assert_eq!(get(listener.address(), "/livez").status, 200);
}

#[test]
fn a_port_in_use_is_told_and_a_dropped_listener_leaves_its_port() {
    let (health, listener) = served(&MemoryBackend::new());
    let address = listener.address();

    let error = health.listen(&address.to_string()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!("cannot listen at {address}: something else does already")
    );

    drop(listener);
    drop(health.listen(&address.to_string()).unwrap());
}

#[test]
fn only_get_and_head_are_answered_and_only_three_paths() {
    let (_health, listener) = served(&MemoryBackend::new());
    let address = listener.address();

    let head = send(address, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("application/openmetrics-text; version=1.0.0"), "{head:?}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request =
            format!("{method} /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        let answer = send(address, request.as_bytes());
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert!(answer.head.to_lowercase().contains("allow: get, head"), "{answer:?}");
    }
    for path in ["/", "/metrics/", "/livez/../etc/passwd", "/metrics%00", "/LIVEZ"] {
        let answer = get(address, path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.body, "there are /livez, /readyz and /metrics\n");
    }
    assert_eq!(get(address, "/livez?verbose=1").status, 200);
}

#[test]
fn what_is_no_request_is_refused_and_the_next_one_answered() {
    let (_health, listener) = served(&MemoryBackend::new());
    let address = listener.address();
    let long = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    for request in [
        "hello\r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n",
        &long,
        &many,
        &path,
    ] {
        let answer = send(address, request.as_bytes());
        let shown = request.get(..40).unwrap_or(request);
        assert!(matches!(answer.status, 0 | 400..=431), "{shown:?}: {answer:?}");
    }
    assert_eq!(get(address, "/livez").status, 200);
}

#[test]
fn slow_callers_hold_up_nobody_and_are_put_out() {
    let (_health, listener) = served(&MemoryBackend::new());
    let address = listener.address();
    let began = Instant::now();
    let mut slow: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET /livez HTTP/1.1\r\nHo").unwrap();
            stream
        })
        .collect();

    assert_eq!(get(address, "/livez").status, 200);
    assert!(began.elapsed().as_secs_f64() < 2.5, "it waited for others: {:?}", began.elapsed());

    for stream in &mut slow {
        let answer = read(stream);
        assert!(matches!(answer.status, 0 | 408), "{answer:?}");
    }
    assert!(began.elapsed().as_secs() < 20, "they were put up with: {:?}", began.elapsed());
}

#[test]
fn more_slow_callers_than_there_are_places_hold_up_nobody() {
    let (_health, listener) = served(&MemoryBackend::new());
    let address = listener.address();
    let (everybody, over) = (Arc::new(Barrier::new(131)), Arc::new(AtomicBool::new(false)));
    let slow: Vec<_> = (0..130)
        .map(|_| {
            let (everybody, over) = (Arc::clone(&everybody), Arc::clone(&over));
            std::thread::spawn(move || {
                let hold = || {
                    let mut stream = connect(address);
                    stream.write_all(b"G").unwrap();
                    stream
                };
                let mut stream = hold();
                everybody.wait();
                // Whoever is put out comes back at once.
                while !over.load(Ordering::Relaxed) {
                    read(&mut stream);
                    stream = hold();
                }
            })
        })
        .collect();
    everybody.wait();

    for path in ["/livez", "/readyz", "/metrics"].into_iter().cycle().take(9) {
        let began = Instant::now();
        assert_ne!(get(address, path).status, 0, "{path}");
        let took = began.elapsed();
        assert!(took.as_secs_f64() < 1.0, "{path} took {took:?}");
    }
    over.store(true, Ordering::Relaxed);
    drop(listener);
    for slow in slow {
        // Some find nobody to connect to any more.
        let _ = slow.join();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_waits_for_its_turn_and_is_answered() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let _worker = worker(&store).health(&health);
    let address: SocketAddr = listener.address();

    let calls = (0..200).map(|_| tokio::task::spawn_blocking(move || get(address, "/metrics")));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().status, 200);
    }
}

#[test]
fn a_process_may_ask_for_health_without_a_runtime() {
    let health = Health::new(&MemoryBackend::new());
    drop(health.listen("127.0.0.1:0").unwrap());
    drop(health.tell_systemd());
}
