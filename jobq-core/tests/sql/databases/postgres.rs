//! A private PostgreSQL server on a free loopback port, stopped when dropped.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::{Server, free_port, program};

#[derive(Debug)]
pub(crate) struct PostgreSql {
    port: u16,
    _server: Server,
    _directory: TempDir,
}

impl PostgreSql {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let place = directory.path();
        let (datadir, log, port) = (place.join("data"), place.join("server.log"), free_port());
        let mut initdb = Command::new(program("initdb", "postgresql"));
        let as_user = Other::than_root(place);
        let initdb = as_user.run(initdb.arg("-D").arg(&datadir));
        let installed = initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"])
            .arg("--no-sync")
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let mut postgres = Command::new(program("postgres", "postgresql"));
        let process = as_user
            .run(postgres.arg("-D").arg(&datadir))
            .args(["-h", "127.0.0.1", "-k", "", "-F"])
            .arg("-p")
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        // Not the hard way: it would leave a piece of shared memory behind.
        let mut server = Server { process, signal: "-INT", log };
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        server.ready(async || PgConnection::connect(&url).await.ok()).await;
        Self { port, _server: server, _directory: directory }
    }

    /// The URL of a new database.
    pub(crate) async fn database(&self, name: &str) -> String {
        let url = format!("postgres://postgres@127.0.0.1:{}", self.port);
        let mut root = PgConnection::connect(&format!("{url}/postgres")).await.unwrap();
        let sql = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
        format!("{url}/{name}")
    }
}

/// The user that PostgreSQL is run by, which refuses root; `None` for who runs the test.
struct Other(Option<(u32, u32)>);

impl Other {
    /// Gives the directory to whom it chooses.
    fn than_root(directory: &Path) -> Self {
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Self(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let ids_of = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map(|id| id.parse::<u32>().ok());
            Some((ids.next()??, ids.next()??))
        };
        let (user, group) = ids_of("postgres").or_else(|| ids_of("nobody")).unwrap();
        chown(directory, Some(user), Some(group)).unwrap();
        Self(Some((user, group)))
    }

    fn run<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir("/");
        match self.0 {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }
}
