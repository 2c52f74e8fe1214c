//! Clients that go away in the middle of a download.

use std::io;
use std::time::Duration;

use telestore_sandbox::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::broken::GET;
use super::{Kept, random};
use crate::support::{MIB, Stage, soon};

/// Which socket of the worker a connection of ours ends at, as the system numbers them.
fn worker_end(ours: &TcpStream) -> io::Result<String> {
    let (at, of) = (ours.peer_addr()?.port(), ours.local_addr()?.port());
    let ends = [format!(":{at:04X}"), format!(":{of:04X}")];
    let table = std::fs::read_to_string("/proc/self/net/tcp")?;
    let line = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut line = line.filter(|fields| fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1]));
    let inode = line.next().ok_or(io::ErrorKind::NotFound)?[9].to_owned();
    Ok(format!("socket:[{inode}]"))
}

/// Whether a process holds a socket.
fn holds(pid: u32, socket: &str) -> bool {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("Linux");
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path.as_os_str() == socket))
}

/// A client that has come to the block in the middle, which is held, and that has nothing left to take.
async fn waits(stage: &Stage, file: &Kept) -> TcpStream {
    let mut client = TcpStream::connect(stage.address()).await.expect("connects");
    let path = format!("{}?token={}", file.path(), stage.user.auth_token);
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("writes");
    let mut came = Vec::new();
    let body = async {
        loop {
            assert_ne!(client.read_buf(&mut came).await.expect("reads"), 0);
            let head = came.windows(4).position(|end| end == b"\r\n\r\n");
            if head.is_some_and(|head| came.len() == head + 4 + HELD) {
                break;
            }
        }
    };
    soon("all before the block", body).await;
    client
}

/// Waits until a process does not hold a socket any more.
async fn freed(pid: u32, socket: &str) {
    let freed = async {
        while holds(pid, socket) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the end of the connection", freed).await;
}

/// Where in the file the block lies that is held.
const HELD: usize = 4 * MIB;

/// What one call reads.
const BLOCK: usize = 256 * 1024;

#[tokio::test]
async fn nothing_more_is_asked_for_a_client_that_is_gone() {
    let stage = Stage::new().await;
    let file = Kept::put(&stage, "a.bin", None, random(24 * MIB)).await;
    let other = Kept::put(&stage, "b.bin", None, random(12 * MIB)).await;
    let faults = stage.sandbox.faults();
    let calls = || stage.sandbox.stats().calls(GET) as usize;
    for resets in [true, false] {
        let (begun, held) = (calls(), faults.inject(Fault::hold(GET).offset(HELD as i64)));
        let client = waits(&stage, &file).await;
        soon("the block", faults.wait_fired(held, 1)).await;
        let socket = worker_end(&client).expect("the worker's end");
        assert!(holds(stage.pid(), &socket));
        if resets {
            // Seen at once, although Telegram says nothing meanwhile.
            client.set_zero_linger().expect("a socket");
            drop(client);
            freed(stage.pid(), &socket).await;
            faults.release(held);
        } else {
            // It may only have said that it sends no more, so this is seen with the next bytes.
            drop(client);
            faults.release(held);
            freed(stage.pid(), &socket).await;
        }
        let before = calls();
        assert!(before - begun < file.bytes.len() / BLOCK, "{} calls, as for all of it", before - begun);
        assert!(other.get(&stage, &[]).await.body == other.bytes);
        // Both would be served at one pace. Some calls may have been on their way, or go twice on a slow machine.
        let (asked, wanted) = (calls() - before, other.bytes.len() / BLOCK);
        assert!(asked < wanted * 3 / 2, "{asked} calls, and another client wanted {wanted}");
    }
}
