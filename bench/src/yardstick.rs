//! The yardstick: what a receiver must do at the least. Length and body from a socket into a file, one byte as the answer;
//! no HTTP, no form, no digest, no user, no record.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::Result;
use crate::child::{Child, Role, until_orphaned};
use crate::file::CHUNK;
use crate::load::{self, Measured};
use crate::proc::{Usage, peak_rss};
use crate::scratch::{Scratch, touch_memory};

/// The best of 64 KiB, 256 KiB, 1 MiB and 5 MiB.
const BUFFER: usize = 256 * 1024;

/// The child's part: serves until the parent is gone.
pub(crate) fn serve() -> Result<()> {
    let dir: Arc<Path> = Path::new(&std::env::args().nth(1).ok_or("a directory is missing")?).into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let dir = Arc::clone(&dir);
            thread::spawn(move || receive(stream?, &dir, number));
        }
    });
    until_orphaned();
    Ok(())
}

fn receive(mut stream: TcpStream, dir: &Path, number: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    for index in 0.. {
        let mut length = [0; 8];
        stream.read_exact(&mut length)?;
        let mut left = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
        let mut file = File::create_new(dir.join(format!("{number}-{index}")))?;
        while left > 0 {
            let read = stream.read(&mut buffer[..left.min(BUFFER)])?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            file.write_all(&buffer[..read])?;
            left -= read;
        }
        stream.write_all(&[1])?;
    }
    Ok(())
}

/// Sends it `chunks` bodies over each of `connections` connections.
pub(crate) fn measure(root: &Path, connections: usize, chunks: usize) -> Result<Measured> {
    touch_memory(root, connections * chunks * CHUNK)?;
    let dir = Scratch::new(root)?;
    let mut child = Child::start(Role::Yardstick, |command| {
        command.arg(dir.path());
    })?;
    let address: SocketAddr = child.line()?.parse()?;
    let mut clients = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        clients.push(move |latencies: &mut Vec<f64>| send(stream, chunks, latencies));
    }
    let before = Usage::of(child.id())?;
    let sent = load::together(clients)?;
    let bytes = (connections * chunks * CHUNK) as f64;
    Ok(Measured { sent, bytes, usage: Usage::of(child.id())?.since(before), peak: peak_rss(child.id())? })
}

fn send(mut stream: TcpStream, chunks: usize, latencies: &mut Vec<f64>) -> Result<()> {
    let body = &load::noise()[..CHUNK];
    for _ in 0..chunks {
        let begin = Instant::now();
        load::write_all(&mut stream, &[&(body.len() as u64).to_le_bytes(), body])?;
        stream.read_exact(&mut [0])?;
        latencies.push(begin.elapsed().as_secs_f64());
    }
    Ok(())
}
