use crate::cli::SandboxArgs;

#[cfg(not(feature = "sandbox"))]
pub(crate) async fn run(_: SandboxArgs) -> Result<(), String> {
    Err("this build has no sandbox: build with the feature `sandbox`".to_owned())
}

#[cfg(feature = "sandbox")]
pub(crate) use with_sandbox::run;

#[cfg(feature = "sandbox")]
mod with_sandbox {
    use std::io::{self, Write};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::{Path, PathBuf};

    use telestore_sandbox::{Error, Sandbox, SandboxUser};

    use super::SandboxArgs;
    use crate::config;
    use crate::serve::{Worker, told_to_stop};
    use crate::settings::{Settings, Written};

    /// Starts the sandbox, and a worker on top if it is wanted, says what to try, and serves until it is told to
    /// stop.
    pub(crate) async fn run(args: SandboxArgs) -> Result<(), String> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let dir = args.dir.join("telegram");
        let sandbox = Sandbox::builder()
            .dir(&dir)
            .http_addr(local(args.http_port))
            .mtproto_addr(local(args.mtproto_port))
            .start()
            .await
            .map_err(|error| not_started(&args, &error))?;
        let user = sandbox.user();
        describe(&sandbox, &user);
        if args.with_worker {
            let worker = worker(&args, &sandbox).await?;
            tell_what_to_try(worker.address, &sandbox, &user, &folder(&dir, &user));
            worker.run(told_to_stop()).await.map_err(|error| error.to_string())?;
        } else {
            tell_how_to_connect(&sandbox);
            told_to_stop().await;
        }
        sandbox.shutdown().await;
        Ok(())
    }

    /// Says what to do if the sandbox does not start.
    fn not_started(args: &SandboxArgs, error: &Error) -> String {
        match error {
            Error::Listen { address, .. } if address.port() == args.http_port => {
                format!("{error}; set --http-port")
            }
            Error::Listen { .. } => format!("{error}; set --mtproto-port"),
            _ => error.to_string(),
        }
    }

    async fn worker(args: &SandboxArgs, sandbox: &Sandbox) -> Result<Worker, String> {
        // The sandbox makes new users at each start, so what the worker kept for the old ones is of no use.
        let data_dir = args.dir.join("worker");
        match std::fs::remove_dir_all(&data_dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("could not remove {}: {error}", data_dir.display()));
            }
            _ => {}
        }
        let written = Written::default()
            .with("host", Ipv4Addr::LOCALHOST.to_string(), "--host")
            .with("port", args.worker_port.to_string(), "--worker-port")
            .with("backend_url", sandbox.backend_url(), "--backend-url")
            .with("bot_api_url", sandbox.bot_api_url(), "--bot-api-url")
            .with("mtproto_server_key", sandbox.server_key(), "--mtproto-server-key")
            // The sandbox's backend has no page.
            .with("app", "on", "--app")
            .with("data_dir", data_dir, "--dir");
        let config = Settings::read(&written).and_then(config::load).map_err(|error| error.to_string())?;
        Worker::start(&config).await.map_err(|error| error.to_string())
    }

    fn folder(dir: &Path, user: &SandboxUser) -> PathBuf {
        dir.join(format!("channel{}", user.channel_id))
    }

    fn describe(sandbox: &Sandbox, user: &SandboxUser) {
        say(&format!(
            "sandbox: a Telegram of your own, on this machine only\n\
             \x20 Bot API and TeleStore backend  {}\n\
             \x20 MTProto                        {}\n\
             \x20 user                           {} ({})\n\
             \x20 auth token                     {}\n\
             \x20 phone number                   {} (login codes: curl {control}/codes)\n\
             \x20 everything else                curl {control}",
            sandbox.backend_url(),
            sandbox.mtproto_addr(),
            user.name,
            user.user_id,
            user.auth_token,
            user.phone,
            control = sandbox.control_url(),
        ));
    }

    fn tell_how_to_connect(sandbox: &Sandbox) {
        say(&format!(
            "\nA worker for it, in another terminal:\n\n\
             \x20 BACKEND_URL={backend} TELEGRAM_BOT_API_URL={bot_api} TELESTORE_HOST=127.0.0.1 {program}\n",
            backend = sandbox.backend_url(),
            bot_api = sandbox.bot_api_url(),
            program = program(),
        ));
    }

    fn tell_what_to_try(worker: SocketAddr, sandbox: &Sandbox, user: &SandboxUser, folder: &Path) {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        say(&format!(
            "worker: http://{worker}\n\n\
             In a browser, a page that sends files and folders, with this token:\n\n\
             \x20 http://{worker}/app\n\
             \x20 {token}\n\n\
             Another one, which shows how chunks go and progress comes live:\n\n\
             \x20 {backend}/demo#worker=http://{worker}&token={token}\n\n\
             Or, in another terminal:\n\n\
             \x20 # a small file, by the Bot API\n\
             \x20 echo 'hello, channel' > /tmp/hello.txt\n\
             \x20 {program} send /tmp/hello.txt --to http://{worker} --token {token}\n\n\
             \x20 # 60 MB in chunks, by MTProto\n\
             \x20 head -c 60000000 /dev/urandom > /tmp/big.bin\n\
             \x20 {program} send /tmp/big.bin --to http://{worker} --token {token}\n\n\
             \x20 # what arrived in the channel, and that it is the same\n\
             \x20 sha256sum /tmp/hello.txt /tmp/big.bin {folder}/[0-9]*\n\n\
             \x20 # the same with curl, and what the backend was told\n\
             \x20 curl -F file=@/tmp/hello.txt -F fileName=hello.txt -F authToken={token} http://{worker}/upload\n\
             \x20 curl {control}/webhooks\n\n\
             Ctrl-C stops it. Each start makes a new user with a channel and a token of its own.",
            program = program(),
            token = user.auth_token,
            folder = folder.display(),
            backend = sandbox.backend_url(),
            control = sandbox.control_url(),
        ));
    }

    /// How this program was started, fit for a shell.
    fn program() -> String {
        let path = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
        let path = path.unwrap_or_else(|| "telestore-worker".to_owned());
        if path.contains(' ') { format!("'{path}'") } else { path }
    }

    fn say(text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }
}
