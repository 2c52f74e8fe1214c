//! Serves a sandbox until Ctrl-C: `serve [--http-port N] [--mtproto-port N] [--dir PATH] [--no-hash]`.
//!
//! Prints what the control API says at `/sandbox` as one line of JSON once it is up.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use telestore_sandbox::{Sandbox, SandboxBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter()).init();
    let sandbox = builder(std::env::args().skip(1))?.start().await?;
    println!("{}", sandbox.describe());
    tokio::signal::ctrl_c().await?;
    sandbox.shutdown().await;
    Ok(())
}

fn builder(mut args: impl Iterator<Item = String>) -> Result<SandboxBuilder, Box<dyn Error>> {
    let mut builder = Sandbox::builder();
    while let Some(name) = args.next() {
        if name == "--no-hash" {
            builder = builder.hash(false);
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        builder = match name.as_str() {
            "--http-port" => builder.http_addr(loopback(value.parse()?)),
            "--mtproto-port" => builder.mtproto_addr(loopback(value.parse()?)),
            "--dir" => builder.dir(value),
            _ => return Err(format!("unknown argument {name}").into()),
        };
    }
    Ok(builder)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into())
}
