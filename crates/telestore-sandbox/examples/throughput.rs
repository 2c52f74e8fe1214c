//! How fast the sandbox takes parts: `throughput [MEGABYTES] [CONNECTIONS]`, uncompressed, one part in flight on
//! each connection.
//!
//! Clients and server share the machine, and both encrypt: what is measured is the two together.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use grammers_client::tl;
use grammers_mtproto::{mtp, transport};
use grammers_mtsender::{Sender, ServerAddr};
use telestore_sandbox::Sandbox;

const PART: usize = 512 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let total = (args.next().unwrap_or(Ok(1000))? * 1_000_000).div_ceil(PART) as i32;
    let connections = args.next().unwrap_or(Ok(2))?;
    let sandbox = Sandbox::builder().hash(false).start().await?;
    let (address, key) = (sandbox.mtproto_addr(), sandbox.user().auth_key_bytes());
    let next = Arc::new(AtomicI32::new(0));
    let started = Instant::now();
    let senders: Vec<_> =
        (0..connections).map(|_| tokio::spawn(send_parts(address, key, Arc::clone(&next), total))).collect();
    for sender in senders {
        sender.await?.map_err(|error| error.to_string())?;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.0} MB/s", sandbox.stats().bytes_received as f64 / 1e6 / seconds);
    sandbox.shutdown().await;
    Ok(())
}

async fn send_parts(
    address: SocketAddr,
    key: [u8; 256],
    next: Arc<AtomicI32>,
    total: i32,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mtp = mtp::Encrypted::build().compression_threshold(None).finish(key);
    let mut sender =
        Sender::connect(transport::Intermediate::new(), mtp, ServerAddr::Tcp { address }).await?;
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= total {
            return Ok(());
        }
        let bytes = vec![index as u8; PART];
        let call = tl::functions::upload::SaveBigFilePart {
            file_id: 1,
            file_part: index,
            file_total_parts: total,
            bytes,
        };
        if !sender.invoke(&call).await? {
            return Err("a part was not stored".into());
        }
    }
}
