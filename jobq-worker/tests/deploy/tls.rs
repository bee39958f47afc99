//! What `docs/operations.md` says of TLS: private authorities by `SSL_CERT_FILE`, and no way not to check.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jobq_redis::TestServer;

use crate::files;

/// Makes an authority and a certificate of `127.0.0.1`, by it.
fn certificates(folder: &Path) {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key \
         -out ca.pem",
    );
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=redis -keyout redis.key -out redis.csr",
    );
    openssl(
        "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out redis.pem",
    );
}

/// A server that speaks TLS at the port of this URL; `None` if the one that is installed cannot.
fn server(folder: &Path) -> Option<(TestServer, String)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let file = |name: &str| folder.join(name).display().to_string();
    let (certificate, key, authority) = (file("redis.pem"), file("redis.key"), file("ca.pem"));
    let server = TestServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
    ]);
    Some((server.ok()?, format!("rediss://127.0.0.1:{port}")))
}

fn queues(url: &str, authority: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.arg("queues").env("REDIS_URL", url).env_remove("JOBQ_CONFIG").stdin(Stdio::null());
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    if let Some(file) = authority {
        command.env("SSL_CERT_FILE", file);
    }
    command.output().unwrap()
}

#[test]
fn a_private_authority_is_named_and_an_unknown_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    if !files::is_there("openssl") {
        return;
    }
    certificates(folder.path());
    let Some((_server, url)) = server(folder.path()) else { return };

    let known = queues(&url, Some(&folder.path().join("ca.pem")));
    assert!(known.status.success(), "{known:?}");

    let unknown = queues(&url, None);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("invalid peer certificate"), "{said}");

    let unchecked = queues(&format!("{url}/#insecure"), Some(&folder.path().join("ca.pem")));
    assert_eq!(unchecked.status.code(), Some(1), "{unchecked:?}");

    let another_name = url.replace("127.0.0.1", "localhost");
    let wrong = queues(&another_name, Some(&folder.path().join("ca.pem")));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(!wrong.status.success() && said.contains("certificate"), "{said}");
}
