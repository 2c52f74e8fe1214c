//! A bus between processes: events go as lines of JSON through a hub on this machine.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use telestore::progress::{ProgressBus, Subscription};
use telestore::types::{UploadEvent, UploadId};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// What the hub says once it knows of a bus: from then on the bus misses nothing.
const WELCOME: &str = "welcome";

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a hub, which hands each line on to all buses but the one that it came from, and says where it listens. It runs
/// as long as the runtime.
///
/// # Errors
/// If no port is free.
pub async fn hub() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let buses = Buses::default();
        for number in 0_u64.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (reading, writing) = stream.into_split();
            let (lines, outgoing) = unbounded_channel();
            let _ = lines.send(WELCOME.to_owned());
            lock(&buses).insert(number, lines);
            tokio::spawn(write(outgoing, writing));
            tokio::spawn(hand_on(BufReader::new(reading).lines(), number, Arc::clone(&buses)));
        }
    });
    Ok(address)
}

type Buses = Arc<Mutex<HashMap<u64, UnboundedSender<String>>>>;

async fn hand_on(mut lines: Lines<BufReader<OwnedReadHalf>>, from: u64, buses: Buses) {
    while let Ok(Some(line)) = lines.next_line().await {
        for (_, bus) in lock(&buses).iter().filter(|(number, _)| **number != from) {
            let _ = bus.send(line.clone());
        }
    }
    lock(&buses).remove(&from);
}

async fn write(mut lines: UnboundedReceiver<String>, mut to: OwnedWriteHalf) {
    while let Some(line) = lines.recv().await {
        if to.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The bus of one process, connected to those of others.
#[derive(Debug, Clone)]
pub struct LineBus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// They end with the last handle.
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What listeners hear, and what this process has said of uploads that are not over.
    topics: Mutex<HashMap<UploadId, watch::Sender<Option<UploadEvent>>>>,
    /// What others have not been told yet: the newest of each upload, so a slow hub costs no memory.
    outgoing: Mutex<HashMap<UploadId, UploadEvent>>,
    more: Notify,
}

impl LineBus {
    /// Connects to a hub.
    ///
    /// # Errors
    /// If there is none.
    pub async fn connect(hub: SocketAddr) -> io::Result<Self> {
        let (reading, writing) = TcpStream::connect(hub).await?.into_split();
        let mut lines = BufReader::new(reading).lines();
        if lines.next_line().await?.as_deref() != Some(WELCOME) {
            return Err(io::Error::other("no hub of this service answers"));
        }
        let (shared, mut tasks) = (Arc::new(Shared::default()), JoinSet::new());
        tasks.spawn(Arc::clone(&shared).say(writing));
        tasks.spawn(Arc::clone(&shared).hear(lines));
        Ok(Self(Arc::new(Inner { shared, _tasks: tasks })))
    }
}

impl Shared {
    async fn say(self: Arc<Self>, mut to: OwnedWriteHalf) {
        loop {
            self.more.notified().await;
            let events = mem::take(&mut *lock(&self.outgoing));
            for event in events.into_values() {
                let Ok(line) = serde_json::to_string(&event) else { continue };
                if to.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn hear(self: Arc<Self>, mut lines: Lines<BufReader<OwnedReadHalf>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            // Another version may say what is not known here.
            let Ok(event) = serde_json::from_str::<UploadEvent>(&line) else { continue };
            let mut topics = lock(&self.topics);
            // What nobody listens to is not kept: who would say when to forget it?
            let Some(topic) = topics.remove(&event.upload_id).filter(|topic| topic.receiver_count() > 0)
            else {
                continue;
            };
            let (id, over) = (event.upload_id.clone(), event.is_final());
            topic.send_replace(Some(event));
            if !over {
                topics.insert(id, topic);
            }
        }
        // The subscriptions end, by which their listeners know that they have to look into the store.
        lock(&self.topics).clear();
    }
}

#[async_trait]
impl ProgressBus for LineBus {
    fn publish(&self, event: UploadEvent) {
        let shared = &self.0.shared;
        let id = event.upload_id.clone();
        lock(&shared.topics).entry(id).or_default().send_replace(Some(event.clone()));
        lock(&shared.outgoing).insert(event.upload_id.clone(), event);
        shared.more.notify_one();
    }

    fn subscribe(&self, id: &UploadId) -> Subscription {
        let mut topics = lock(&self.0.shared.topics);
        // Listeners that are gone leave topics behind; sweep them if the map would grow.
        if topics.len() == topics.capacity() {
            topics.retain(|_, topic| topic.receiver_count() > 0 || topic.borrow().is_some());
        }
        topics.entry(id.clone()).or_default().subscribe().into()
    }

    async fn latest(&self, id: &UploadId) -> Option<UploadEvent> {
        lock(&self.0.shared.topics).get(id).and_then(|topic| topic.borrow().clone())
    }

    fn forget(&self, id: &UploadId) {
        lock(&self.0.shared.topics).remove(id);
    }
}
