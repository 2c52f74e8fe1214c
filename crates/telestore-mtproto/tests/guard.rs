//! Logins that other processes have, too.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use telestore_mtproto::{
    Account, AllowedAddresses, Calls, Client, ErrorKind, MtprotoConfig, Remedy, Session,
};
use telestore_sandbox::{Sandbox, SandboxUser};
use telestore_types::{ApiId, ChatId, LoginBusy, LoginGuard, LoginHold, Secret, Sender, SenderId, Verdict};

/// Gives a login out until a moment that a test moves. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Given {
    until: Arc<Mutex<Option<Instant>>>,
    busy: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<SenderId>>>,
}

impl Given {
    fn for_seconds(seconds: u64) -> Self {
        let given = Self::default();
        *given.until.lock().unwrap() = Some(Instant::now() + Duration::from_secs(seconds));
        given
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl LoginGuard for Given {
    async fn take(&self, login: &SenderId) -> Result<Box<dyn LoginHold>, LoginBusy> {
        self.asked.lock().unwrap().push(login.clone());
        if self.busy.load(Ordering::SeqCst) {
            return Err(LoginBusy::new("another worker uses it"));
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Connected(self.clone())))
    }
}

#[derive(Debug)]
struct Connected(Given);

impl LoginHold for Connected {
    fn until(&self) -> Option<Instant> {
        *self.0.until.lock().unwrap()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn account(user: &SandboxUser, given: &Given) -> Arc<Account> {
    let mut config = MtprotoConfig::default();
    config.allowed = AllowedAddresses::any();
    config.backoff_base = Duration::from_millis(2);
    let client = Client::new(config);
    client.guard_logins(Arc::new(given.clone()));
    let session = Session::read(user.telethon_session.as_deref().unwrap()).unwrap();
    client.account(session, ApiId::new(user.api_id).ok()).unwrap()
}

async fn connections(sandbox: &Sandbox, user: &SandboxUser, wanted: usize) {
    let enough = |found: Option<&usize>| found.copied().unwrap_or_default() == wanted;
    sandbox.wait_until(|stats| enough(stats.connections.get(&user.user_id))).await;
}

#[tokio::test]
async fn a_login_is_taken_for_each_connection_and_given_back_with_it() {
    let sandbox = Sandbox::start().await.unwrap();
    let (user, given) = (sandbox.user(), Given::default());
    let account = account(&user, &given);
    let calls = Calls::new(account.clone(), ());
    calls.connect().await.unwrap();
    assert_eq!(given.open(), 1);
    account.close().await;
    assert_eq!(given.open(), 0);
    calls.connect().await.unwrap();
    let name = Sender::session(Secret::new(user.telethon_session.as_deref().unwrap()), None, None).id;
    assert_eq!(*given.asked.lock().unwrap(), [name.clone(), name], "by the name that rows have");
}

#[tokio::test]
async fn a_busy_login_is_not_used_and_not_asked_for_again() {
    let sandbox = Sandbox::start().await.unwrap();
    let given = Given::default();
    given.busy.store(true, Ordering::SeqCst);
    let error = Calls::new(account(&sandbox.user(), &given), ()).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.remedy()), (&ErrorKind::LoginBusy, Remedy::Leave));
    assert_eq!((error.verdict(), error.to_string().as_str()), (Verdict::Temporary, "another worker uses it"));
    assert_eq!(given.asked.lock().unwrap().len(), 1);
    assert_eq!(sandbox.stats().connections_accepted, 0);
}

#[tokio::test]
async fn a_connection_ends_with_its_time() {
    let sandbox = Sandbox::start().await.unwrap();
    let (user, given) = (sandbox.user(), Given::for_seconds(60));
    let account = account(&user, &given);
    let calls = Calls::new(account, ());
    calls.connect().await.unwrap();
    connections(&sandbox, &user, 1).await;
    *given.until.lock().unwrap() = Some(Instant::now());
    given.busy.store(true, Ordering::SeqCst);
    let error = calls.resolve(&ChatId::new("-1001").unwrap(), None).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::LoginBusy, "{error}");
    connections(&sandbox, &user, 0).await;
    assert_eq!(given.open(), 0);
}

/// A process that has a connection and then stands still, and the end of its channel lets it go on.
struct Process {
    thread: std::thread::JoinHandle<()>,
    stands_still: mpsc::Sender<()>,
}

impl Process {
    /// `None` if its time was over before it stood still: this machine is slow.
    async fn standing_still(user: &SandboxUser, given: &Given) -> Option<Self> {
        let (stands_still, still) = mpsc::channel::<()>();
        let (told, in_time) = tokio::sync::oneshot::channel();
        let (user, given) = (user.clone(), given.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let account = account(&user, &given);
            let called = runtime.block_on(async {
                account.connect().await?;
                account.time().await?;
                Calls::new(account.clone(), ()).resolve(&ChatId::new("-1001").unwrap(), None).await
            });
            let error = called.unwrap_err();
            let in_time = *error.kind() != ErrorKind::LoginBusy && given.open() == 1;
            assert!(in_time || Some(Instant::now()) > *given.until.lock().unwrap(), "{error}");
            told.send(in_time).unwrap();
            still.recv().unwrap_err();
            drop(runtime);
        });
        let process = Self { thread, stands_still };
        if in_time.await.expect("the process lives") {
            return Some(process);
        }
        process.end();
        None
    }

    fn end(self) {
        drop(self.stands_still);
        self.thread.join().unwrap();
    }
}

/// What another worker relies on: the process that stands still cannot close anything.
#[tokio::test]
async fn telegram_ends_the_connection_of_a_process_that_stands_still() {
    let sandbox = Sandbox::start().await.unwrap();
    let user = sandbox.user();
    let mut seconds = 5;
    let (process, given) = loop {
        let given = Given::for_seconds(seconds);
        if let Some(process) = Process::standing_still(&user, &given).await {
            break (process, given);
        }
        connections(&sandbox, &user, 0).await;
        seconds *= 2;
    };
    connections(&sandbox, &user, 0).await;
    assert_eq!(given.open(), 1, "the process did not close it");
    process.end();
}
