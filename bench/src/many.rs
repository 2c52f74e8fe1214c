//! Many workers as one service, on PostgreSQL and S3: what three do beside one, and what sharing costs one.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use telestore_sandbox::SandboxUser;

use crate::cgroup::Group;
use crate::file::File;
use crate::http::Http;
use crate::load::{self, percentile};
use crate::servers::{Servers, Shared, Used};
use crate::stage::{Stage, Worker};
use crate::table::Table;
use crate::{Bench, GIB, MIB, Result, flow, in_turn};

/// What each worker gets where they are compared: little, so that the servers, the sandbox and the clients keep up on the
/// rest of the machine.
const CPUS: f64 = 0.15;
const MEMORY: usize = 512;

/// Each file goes by MTProto, and while it arrives.
const SETTINGS: &[(&str, &str)] = &[("TELESTORE_BOT_API_MAX_BYTES", "1 MiB")];
const FILE: usize = 12 * MIB;
const CHUNK: usize = 2 * MIB;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let mut scaling = Table::new(
        "scaling",
        "workers with 0.15 CPU each",
        &[
            ("rate", "uploads/s", 2),
            ("speed", "MB/s", 1),
            ("cpu", "CPU s/GiB of workers", 2),
            ("ratio", "times one worker", 2),
        ],
    );
    let mut price = Table::new(
        "price",
        "one worker on",
        &[
            ("rate", "uploads/s", 1),
            ("chunk", "chunk p50 ms", 1),
            ("complete", "complete p50 ms", 1),
            ("cpu", "worker's CPU s/GiB", 2),
            ("database", "database's CPU ms per upload", 1),
            ("bucket", "bucket's CPU s/GiB", 2),
            ("commits", "transactions per upload", 0),
            ("rss", "peak RSS MiB", 1),
        ],
    );
    let mut memory = Table::new(
        "memory",
        "clients with a chunk of 50 MiB into the bucket",
        &[("speed", "MB/s", 0), ("cpu", "CPU s/GiB", 2), ("rss", "peak RSS MiB", 1)],
    );
    if let Some(servers) = Servers::running()? {
        let stage = Stage::new(&bench.root)?;
        let users = stage.add_users(bench.pick(24, 4))?;
        let many = Many { bench, servers, stage, users };
        for round in 0..bench.rounds {
            many.scale(round, &mut scaling)?;
            many.compare(round, &mut price)?;
            many.fill(round, &mut memory)?;
        }
    } else {
        eprintln!("nothing of many workers is measured: bench/run starts a database and a bucket for it");
    }
    Ok(vec![scaling, price, memory])
}

struct Many<'a> {
    bench: &'a Bench,
    servers: Servers,
    stage: Stage,
    users: Vec<SandboxUser>,
}

/// What a crowd did with some workers.
#[derive(Default)]
struct Done {
    uploads: f64,
    seconds: f64,
    chunks: Vec<f64>,
    completes: Vec<f64>,
    cpu: f64,
    peak: f64,
    used: Used,
}

impl Done {
    fn bytes(&self) -> f64 {
        self.uploads * FILE as f64
    }

    /// Uploads per second.
    fn rate(&self) -> f64 {
        self.uploads / self.seconds
    }
}

impl Many<'_> {
    fn each(&self) -> usize {
        self.bench.pick(4, 1)
    }

    /// The users of one worker without limits: all of them want more than this machine can give beside it.
    fn half(&self) -> &[SandboxUser] {
        &self.users[..self.users.len() / 2]
    }

    /// One worker and three, each in a control group.
    fn scale(&self, round: usize, table: &mut Table) -> Result<()> {
        self.bench.say(round, "one worker and three, each with a share of a CPU");
        if let Err(error) = Group::new(CPUS, MEMORY) {
            eprintln!("how workers scale is not measured: a control group cannot be made: {error}");
            return Ok(());
        }
        let (one, three) = in_turn(round, || self.confined(1), || self.confined(3))?;
        for (workers, done) in [("1", &one), ("3", &three)] {
            table.record(
                workers,
                &[
                    ("rate", done.rate()),
                    ("speed", done.bytes() / 1e6 / done.seconds),
                    ("cpu", done.cpu / (done.bytes() / GIB)),
                    ("ratio", done.rate() / one.rate()),
                ],
            );
        }
        Ok(())
    }

    fn confined(&self, count: usize) -> Result<Done> {
        let groups = (0..count).map(|_| Group::new(CPUS, MEMORY)).collect::<std::io::Result<Vec<_>>>()?;
        let shared = self.servers.share()?;
        let mut workers = Vec::new();
        for group in &groups {
            let mut worker = self.worker(Some(&shared))?;
            group.add(worker.pid())?;
            worker.start_counting()?;
            workers.push(worker);
        }
        self.steady(&workers)
    }

    /// The same load for one worker by itself, and one on the servers.
    fn compare(&self, round: usize, table: &mut Table) -> Result<()> {
        self.bench.say(round, "one worker on SQLite and a disk, and on PostgreSQL and S3");
        let alone = || self.crowd(self.half(), &[self.worker(None)?], None);
        let sharing = || {
            let shared = self.servers.share()?;
            self.crowd(self.half(), &[self.worker(Some(&shared))?], Some(&shared))
        };
        let (alone, sharing) = in_turn(round, alone, sharing)?;
        for (what, done) in [("SQLite and disk", &alone), ("PostgreSQL and S3", &sharing)] {
            let mut figures = vec![
                ("rate", done.rate()),
                ("chunk", percentile(&done.chunks, 0.5) * 1e3),
                ("complete", percentile(&done.completes, 0.5) * 1e3),
                ("cpu", done.cpu / (done.bytes() / GIB)),
                ("rss", done.peak),
            ];
            if what == "PostgreSQL and S3" {
                figures.extend([
                    ("database", done.used.database * 1e3 / done.uploads),
                    ("bucket", done.used.bucket / (done.bytes() / GIB)),
                    ("commits", done.used.commits / done.uploads),
                ]);
            }
            table.record(what, &figures);
        }
        Ok(())
    }

    /// Large chunks of many clients at once.
    fn fill(&self, round: usize, table: &mut Table) -> Result<()> {
        let (clients, chunk) = (self.bench.pick(16, 4), self.bench.pick(50, 12) * MIB);
        self.bench.say(round, "large chunks of many clients into the bucket");
        let shared = self.servers.share()?;
        let worker = self.worker(Some(&shared))?;
        let crowd = (0..clients).map(|at| {
            let file = File::in_chunks(&self.users[at % self.users.len()].auth_token, 2 * chunk, chunk);
            let mut http = worker.http()?;
            let bytes = &load::noise()[..MIB];
            Ok(move |latencies: &mut Vec<f64>| {
                latencies.push(file.send_repeated(&mut http, 0, bytes, chunk / MIB)?);
                Ok(())
            })
        });
        let sent = load::together(crowd.collect::<Result<Vec<_>>>()?)?;
        let bytes = (clients * chunk) as f64;
        table.record(
            &clients.to_string(),
            &[
                ("speed", bytes / 1e6 / sent.seconds),
                ("cpu", worker.usage()?.cpu / (bytes / GIB)),
                ("rss", worker.peak()?),
            ],
        );
        Ok(())
    }

    fn worker(&self, shared: Option<&Shared>) -> Result<Worker> {
        let mut settings = SETTINGS.to_vec();
        let of_all = shared.map(|shared| shared.settings.as_slice()).unwrap_or_default();
        settings.extend(of_all.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.stage.worker(&settings, self.users.len() * self.each() * FILE)
    }

    /// All users, each with one file after the other, until it was seen for a while what they get done. They begin one after
    /// the other, so that they are at different places of their files, as users are: how it begins and ends, when some
    /// worker has nothing to do, is not measured.
    fn steady(&self, workers: &[Worker]) -> Result<Done> {
        let [spread, warm, seen] = self.bench.pick([12, 15, 36], [0, 1, 8]).map(Duration::from_secs);
        let users = self.users.len() as u32;
        let ends = Mutex::new(Vec::new());
        let begin = Instant::now();
        let (from, until) = (begin + warm, begin + warm + seen);
        let cpu = || workers.iter().map(|worker| Ok(worker.usage()?.cpu)).sum::<Result<f64>>();
        let used = thread::scope(|scope| -> Result<f64> {
            let mut threads = Vec::new();
            for (at, user) in self.users.iter().enumerate() {
                let ends = &ends;
                threads.push(scope.spawn(move || -> Result<()> {
                    sleep_until(begin + spread * at as u32 / users);
                    let mut http = clients_of(workers, at)?;
                    while Instant::now() < until {
                        whole(&mut http, &File::in_chunks(&user.auth_token, FILE, CHUNK), &mut Vec::new())?;
                        ends.lock().map_err(|_| "a client panicked")?.push(Instant::now());
                    }
                    Ok(())
                }));
            }
            sleep_until(from);
            let before = cpu();
            sleep_until(until);
            let after = cpu();
            for client in threads {
                client.join().map_err(|_| "a client panicked")??;
            }
            Ok(after? - before?)
        })?;
        let ends = ends.into_inner().map_err(|_| "a client panicked")?;
        let uploads = ends.into_iter().filter(|end| (from..until).contains(end)).count() as f64;
        Ok(Done { uploads, seconds: seen.as_secs_f64(), cpu: used, ..Done::default() })
    }

    /// Some users at once, each with one file after the other, each chunk to another worker.
    fn crowd(&self, users: &[SandboxUser], workers: &[Worker], shared: Option<&Shared>) -> Result<Done> {
        let before = self.servers.used(shared)?;
        let completes = Mutex::new(Vec::new());
        let clients = users.iter().enumerate().map(|(at, user)| {
            let mut http = clients_of(workers, at)?;
            let files: Vec<_> =
                (0..self.each()).map(|_| File::in_chunks(&user.auth_token, FILE, CHUNK)).collect();
            let completes = &completes;
            Ok(move |chunks: &mut Vec<f64>| {
                for file in &files {
                    let complete = whole(&mut http, file, chunks)?;
                    completes.lock().map_err(|_| "a client panicked")?.push(complete);
                }
                Ok(())
            })
        });
        let sent = load::together(clients.collect::<Result<Vec<_>>>()?)?;
        let mut completes = completes.into_inner().map_err(|_| "a client panicked")?;
        completes.sort_by(f64::total_cmp);
        let mut done = Done {
            uploads: (users.len() * self.each()) as f64,
            seconds: sent.seconds,
            chunks: sent.latencies,
            completes,
            cpu: 0.0,
            peak: 0.0,
            used: self.servers.used(shared)?.since(before),
        };
        for worker in workers {
            done.cpu += worker.usage()?.cpu;
            done.peak = done.peak.max(worker.peak()?);
        }
        Ok(done)
    }
}

/// A client's connection to each worker. Each begins with another one.
fn clients_of(workers: &[Worker], at: usize) -> Result<Vec<Http>> {
    let mut http = workers.iter().map(|worker| Http::connect(worker.address)).collect::<Result<Vec<_>>>()?;
    http.rotate_left(at % workers.len());
    Ok(http)
}

fn sleep_until(then: Instant) {
    thread::sleep(then.saturating_duration_since(Instant::now()));
}

/// One upload. Adds the seconds of its chunks, and gives those of its completion.
fn whole(http: &mut [Http], file: &File, chunks: &mut Vec<f64>) -> Result<f64> {
    let workers = http.len();
    for index in 0..file.total() {
        chunks.push(file.send(&mut http[index % workers], index)?);
    }
    let complete = flow::complete(&mut http[file.total() % workers], file)?;
    flow::wait(&mut http[0], file, Duration::from_millis(50))?;
    Ok(complete)
}
