//! The server's side of SOCKS5. <https://www.rfc-editor.org/rfc/rfc1928>

use std::io::{self, Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::state::{State, Unreached};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NOTHING_FITS: u8 = 0xff;

/// Replies to a request.
const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const REFUSED: u8 = 5;
const BAD_COMMAND: u8 = 7;

pub(super) async fn serve(mut client: TcpStream, state: &State) -> io::Result<()> {
    if !is_let_in(&mut client, state).await? {
        state.stranger();
        return client.shutdown().await;
    }
    let Some(target) = read_target(&mut client).await? else {
        return reply(&mut client, BAD_COMMAND).await;
    };
    match state.reach(&target).await {
        Ok(mut beyond) => {
            reply(&mut client, SUCCEEDED).await?;
            state.carry(async { copy_bidirectional(&mut client, &mut beyond).await.map(drop) }).await
        }
        Err(Unreached::NotRouted) => reply(&mut client, NOT_ALLOWED).await,
        Err(Unreached::Down) => reply(&mut client, REFUSED).await,
    }
}

async fn is_let_in(client: &mut TcpStream, state: &State) -> io::Result<bool> {
    if client.read_u8().await? != VERSION {
        return Ok(false);
    }
    let methods = read_sized(client).await?;
    let method = if state.login.is_some() { PASSWORD } else { NO_LOGIN };
    if !methods.contains(&method) {
        client.write_all(&[VERSION, NOTHING_FITS]).await?;
        return Ok(false);
    }
    client.write_all(&[VERSION, method]).await?;
    let Some((user, password)) = &state.login else { return Ok(true) };
    // https://www.rfc-editor.org/rfc/rfc1929
    let version = client.read_u8().await?;
    let given = (read_sized(client).await?, read_sized(client).await?);
    let right = version == 1 && (given.0 == user.as_bytes() && given.1 == password.as_bytes());
    client.write_all(&[1, u8::from(!right)]).await?;
    Ok(right)
}

/// What is to be connected to; `None` for anything else than a connection.
async fn read_target(client: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => String::from_utf8_lossy(&read_sized(client).await?).into_owned(),
        4 => format!("[{}]", Ipv6Addr::from(client.read_u128().await?)),
        _ => return Err(Error::new(ErrorKind::InvalidData, "an address of no kind")),
    };
    let port = client.read_u16().await?;
    Ok((head[..3] == [VERSION, 1, 0]).then(|| format!("{host}:{port}")))
}

async fn read_sized(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn reply(client: &mut TcpStream, code: u8) -> io::Result<()> {
    // What it is bound to nobody looks at.
    let address = [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0];
    client.write_all(&address).await
}
