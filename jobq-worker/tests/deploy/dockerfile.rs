//! The image.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use crate::files;

/// The instructions, each in one line.
fn instructions() -> Vec<(String, String)> {
    let text = files::text("docs/deploy/docker/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
    parts.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

/// What is copied from the repository.
fn copied() -> Vec<String> {
    let mut sources = Vec::new();
    for (_, what) in instructions().iter().filter(|(name, _)| name == "COPY") {
        if what.contains("--from=") {
            continue;
        }
        let words: Vec<_> =
            what.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        sources.extend(words[..words.len() - 1].iter().map(|&word| word.to_owned()));
    }
    sources
}

fn key(text: &str, key: &str) -> String {
    let opening = format!("{key} = \"");
    let (_, rest) = text.split_once(&opening).unwrap_or_else(|| panic!("there is no {key}"));
    rest.split('"').next().unwrap().to_owned()
}

fn number(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

#[test]
fn all_that_is_built_is_there_and_is_not_ignored() {
    let copied = copied();
    for source in &copied {
        assert!(files::path(source).exists(), "there is no {source}");
    }
    let workspace: toml::Table = files::text("Cargo.toml").parse().unwrap();
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let folder = member.as_str().unwrap().split('/').next().unwrap();
        assert!(copied.iter().any(|source| source == folder), "{folder} is not copied");
    }
    let ignore = files::text("docs/deploy/docker/Dockerfile.dockerignore");
    assert!(ignore.lines().any(|line| line == "*"), "not all is ignored at first");
    for source in &copied {
        assert!(ignore.lines().any(|line| line == format!("!{source}")), "{source} is ignored");
    }
    for (_, command) in instructions().iter().filter(|(name, _)| name == "RUN") {
        for package in command.split("--package ").skip(1) {
            let package = package.split_whitespace().next().unwrap();
            let is_there = ["", "examples/"]
                .iter()
                .any(|folder| files::path(&format!("{folder}{package}/Cargo.toml")).is_file());
            assert!(is_there, "there is no package {package}");
        }
    }
}

#[test]
fn it_is_built_by_the_toolchain_of_the_repository() {
    let channel = key(&files::text("rust-toolchain.toml"), "channel");
    let instructions = instructions();
    let image =
        instructions.iter().find(|(name, what)| name == "FROM" && what.starts_with("rust:"));
    let image = &image.unwrap().1;
    assert!(image.starts_with(&format!("rust:{channel}-")), "{image}, not {channel}");
    let toolchain = format!("RUSTUP_TOOLCHAIN={channel}");
    assert!(instructions.iter().any(|(name, what)| name == "ENV" && *what == toolchain));
    for manifest in ["Cargo.toml", "examples/supplier-import/Cargo.toml"] {
        let needed = key(&files::text(manifest), "rust-version");
        assert!(number(&channel) >= number(&needed), "{manifest} needs {needed}");
    }
}

#[test]
fn it_runs_as_nobody_in_particular_and_says_how_it_is() {
    let instructions = instructions();
    let last_stage = instructions.iter().rposition(|(name, _)| name == "FROM").unwrap();
    let of = |wanted: &str| {
        let mut found = instructions[last_stage..].iter().filter(|(name, _)| name == wanted);
        let (_, what) = found.next().unwrap_or_else(|| panic!("there is no {wanted}"));
        assert!(found.next().is_none(), "two of {wanted}");
        what.clone()
    };
    let user = of("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() > 1_000), "{user}");
    assert!(of("HEALTHCHECK").ends_with(r#"CMD ["healthy"]"#));
    assert_eq!(of("STOPSIGNAL"), "SIGTERM");
    // Not by a shell, which would not pass SIGTERM on.
    assert!(of("CMD").starts_with('['));
    assert!(of("ENV").starts_with("JOBQ_LISTEN=127.0.0.1:"));
    let installs = |(_, what): &&(String, String)| what.contains("/usr/local/bin/healthy");
    assert!(instructions[last_stage..].iter().any(|pair| installs(&pair)));
}

/// Runs the check of the image against a listener that answers so.
fn check(answer: &'static str) -> (bool, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 512];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let script = files::path("docs/deploy/docker/healthy");
    let status = Command::new(script).env("JOBQ_LISTEN", address).status().unwrap();
    (status.success(), server.join().unwrap())
}

#[test]
fn the_check_goes_by_the_answer_of_livez() {
    if !files::is_there("/bin/bash") {
        return;
    }
    let (is_well, request) = check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert!(is_well);
    assert!(request.starts_with("GET /livez HTTP/1.1\r\nHost: "), "{request}");
    assert!(!check("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").0);
    assert!(!check("").0);

    let script = files::path("docs/deploy/docker/healthy");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = Command::new(script).env("JOBQ_LISTEN", free).output().unwrap();
    assert!(!output.status.success(), "nobody listens there");
}
