//! Every `jobq.toml` of the deployment files is read by the real program.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::files;
use crate::yaml::documents;

/// Each with the name of the file that it is in.
fn configurations() -> Vec<(String, String)> {
    let docker = "docs/deploy/docker/jobq.toml".to_owned();
    let kubernetes = "docs/deploy/kubernetes/config.yaml".to_owned();
    let [map] = &documents(&kubernetes)[..] else { panic!("more than one document") };
    let in_map = map.pointer("/data/jobq.toml").and_then(Value::as_str).unwrap().to_owned();
    vec![(docker.clone(), files::text(&docker)), (kubernetes, in_map)]
}

#[test]
fn the_program_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobq.toml");
    for (file, text) in configurations() {
        text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::write(&path, &text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
        command.args(["queues", "--backend", "memory:", "--config"]).arg(&path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{file}: {output:?}");
    }
}
