//! Servers of PostgreSQL that a test stops, kills and replaces.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::cluster::needed;
use crate::support::soon;

/// How a server is told to run. What is tested is what happens, not what a power cut leaves.
const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=200 \
                       -c log_min_messages=fatal -c wal_level=replica -c hot_standby=on";

/// A server. `.ci/cluster` ends those whose test was killed.
pub(crate) struct Server {
    dir: PathBuf,
    pub(crate) address: SocketAddr,
}

/// One of PostgreSQL's programs. None of them runs as root.
fn program(name: &str) -> Command {
    let path = format!("{}/{name}", needed("TELESTORE_TEST_POSTGRES_BIN"));
    let mut command = if rustix::process::getuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", &path]);
        command
    } else {
        Command::new(path)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
    command
}

fn run(command: &mut Command) {
    let status = command.status().expect("it runs");
    assert!(status.success(), "{command:?}");
}

impl Server {
    /// A directory for one, which is empty, and a port.
    fn place() -> Self {
        let dir =
            PathBuf::from(needed("TELESTORE_TEST_DIR")).join(format!("server-{:08x}", rand::random::<u32>()));
        std::fs::create_dir(&dir).expect("a directory");
        if rustix::process::getuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(&dir));
        }
        run(Command::new("chmod").arg("700").arg(&dir));
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { address: free.local_addr().expect("an address"), dir }
    }

    /// A new one, which runs.
    pub(crate) fn new() -> Self {
        let server = Self::place();
        let arguments =
            ["--auth=trust", "--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
        run(program("initdb").args(arguments).arg(&server.dir));
        server.start();
        server
    }

    /// A standby of this one, which has what this one has acknowledged from now on.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::place();
        let port = self.address.port().to_string();
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        run(program("pg_basebackup")
            .args(from)
            .args(["--no-sync", "-c", "fast", "-R", "-D"])
            .arg(&standby.dir));
        standby.start();
        standby
    }

    pub(crate) fn start(&self) {
        let options = format!("{OPTIONS} -p {} -k {}", self.address.port(), self.dir.display());
        let log = self.dir.join("log");
        run(program("pg_ctl")
            .arg("-D")
            .arg(&self.dir)
            .arg("-w")
            .arg("-l")
            .arg(log)
            .args(["-o", &options, "start"]));
    }

    /// As in a crash.
    pub(crate) fn stop(&self) {
        run(program("pg_ctl").arg("-D").arg(&self.dir).args(["-m", "immediate", "stop"]));
    }

    /// Acknowledges from now on only what its standby has.
    pub(crate) async fn waits_for_its_standby(&self) {
        let options: PgConnectOptions = format!("{}/postgres", self.url()).parse().expect("an address");
        let mut connection = options.connect().await.expect("the server answers");
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("a superuser may");
        }
        let synchronous = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let follows = async {
            while sqlx::query_scalar::<_, i64>(synchronous)
                .fetch_one(&mut connection)
                .await
                .expect("it answers")
                == 0
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon("the standby to follow", follows).await;
    }

    pub(crate) fn promote(&self) {
        run(program("pg_ctl").arg("-D").arg(&self.dir).args(["-w", "promote"]));
    }

    /// Its address, without a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = program("pg_ctl")
            .arg("-D")
            .arg(&self.dir)
            .args(["-m", "immediate", "stop"])
            .stderr(Stdio::null())
            .status();
        // One that is stopped already says so.
        drop(stopped);
        drop(std::fs::remove_dir_all(&self.dir));
    }
}
