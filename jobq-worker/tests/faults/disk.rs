//! Servers that have no room: on their disk, or in their memory.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use jobq_core::JobId;

use crate::audit::Expected;
use crate::mix::Mix;
use crate::network::long_job;
use crate::process::{Process, until};
use crate::stage::Stage;

/// Limits how long a file the server may write, as a full disk does; a save that comes to it fails.
fn limit_files(stage: &Stage, bytes: &str) -> bool {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &stage.server.pid().to_string(), &format!("--fsize={bytes}:")]);
    prlimit.status().is_ok_and(|status| status.success())
}

/// A file system of its own, in memory.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` for those who may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no room on it.
    fn fill(&self) {
        let mut filler = File::create(self.path().join("filler")).unwrap();
        while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server may not have let go of it yet.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

async fn until_saved(stage: &Stage, status: &str) {
    let wanted = format!("rdb_last_bgsave_status:{status}");
    until(&wanted, async || {
        let info = stage.command(&["INFO", "persistence"]).await;
        info.contains(&wanted) && info.contains("rdb_bgsave_in_progress:0")
    })
    .await;
}

#[tokio::test]
async fn a_server_whose_disk_is_full_refuses_and_loses_nothing() {
    let stage = Stage::set().await;
    if !limit_files(&stage, "unlimited") {
        eprintln!(
            "skipped: a full disk is made by `prlimit` (Debian: util-linux), which is not there"
        );
        return;
    }
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    mix.strike(&stage);

    stage.command(&["CONFIG", "SET", "save", "3600 1"]).await;
    assert!(limit_files(&stage, "0"));
    stage.command(&["BGSAVE"]).await;
    until_saved(&stage, "err").await;

    refuses_all_writes(&stage, &mix, &workers, long).await;

    assert!(limit_files(&stage, "unlimited"));
    stage.command(&["BGSAVE"]).await;
    until_saved(&stage, "ok").await;
    stage.until_started(long, 2).await;
    stage.until_more(20).await;
    stage.finish(mix, workers, Expected::default()).await;
}

#[tokio::test]
async fn an_append_only_file_that_cannot_grow_is_a_full_disk_too() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root may mount a small disk, and not in every container");
        return;
    };
    let folder = disk.path().display().to_string();
    let stage = Stage::set_with(&["--dir", &folder, "--appendonly", "yes"]).await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    mix.strike(&stage);

    disk.fill();
    refuses_all_writes(&stage, &mix, &workers, long).await;

    disk.free();
    stage.until_started(long, 2).await;
    stage.until_more(20).await;
    stage.finish(mix, workers, Expected::default()).await;
}

/// Neither producers nor workers can write; nobody says that he could.
async fn refuses_all_writes(stage: &Stage, mix: &Mix, workers: &[Process], long: JobId) {
    until("a refusal", async || !mix.refusals().is_empty()).await;
    assert!(mix.refusals()[0].contains("cannot save to its disk"), "{:?}", mix.refusals());
    let acknowledged = mix.acknowledged();
    stage.until_dropped(long).await;
    until("the end of all handlers", async || stage.running().is_empty()).await;
    assert_eq!(mix.acknowledged(), acknowledged);
    let says_why = |log: String| log.contains("because it cannot save to its disk");
    assert!(workers.iter().any(|worker| says_why(worker.log())), "{}", workers[0].log());
}

#[tokio::test]
async fn a_server_whose_memory_is_full_refuses_jobs_and_lets_workers_drain() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start()];
    stage.until_more(10).await;
    mix.strike(&stage);

    stage.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

    until("a refusal", async || !mix.refusals().is_empty()).await;
    assert!(mix.refusals()[0].contains("is full"), "{:?}", mix.refusals());
    stage.until_more(20).await;
    stage.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    stage.until_more(20).await;
    let expected = Expected { each_once: true, ..Expected::default() };
    stage.finish(mix, workers, expected).await;
}
