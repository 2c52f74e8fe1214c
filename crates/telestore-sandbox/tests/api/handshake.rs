//! A client of the key exchange: what it sends is in the hands of the tests.

use std::net::SocketAddr;

use base64::Engine;
use grammers_client::tl::{self, Cursor, Deserializable, RemoteCall, Serializable};
use grammers_crypto::aes::{ige_decrypt, ige_encrypt};
use grammers_crypto::{AuthKey, DequeBuffer, factorize, generate_key_data_from_nonce, rsa};
use grammers_mtproto::mtp::{Deserialization, Mtp, Plain};
use grammers_mtproto::transport::{Error, Full, Transport};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection without a key.
pub(crate) struct Unkeyed {
    socket: TcpStream,
    transport: Full,
}

impl Unkeyed {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("the port is open");
        Self { socket, transport: Full::new() }
    }

    /// The answer, or the status that came in place of one.
    pub(crate) async fn call<R: RemoteCall>(&mut self, call: &R) -> Result<R::Return, i32> {
        let mut buffer = DequeBuffer::with_capacity(1024, 64);
        Plain::new().push(&mut buffer, &call.to_bytes());
        self.transport.pack(&mut buffer);
        self.socket.write_all(&buffer[..]).await.expect("it can be written");
        let mut answer = Vec::new();
        let payload = loop {
            self.socket.read_buf(&mut answer).await.expect("it can be read");
            match self.transport.unpack(&mut answer) {
                Ok(packet) => break &mut answer[packet.data_range],
                Err(Error::MissingBytes) => {}
                Err(error) => panic!("not a frame: {error}"),
            }
        };
        if let Ok(status) = <[u8; 4]>::try_from(&*payload) {
            return Err(i32::from_le_bytes(status));
        }
        let events = Plain::new().deserialize(payload).expect("a message without a key");
        let Some(Deserialization::RpcResult(result)) = events.into_iter().next() else { panic!("no answer") };
        Ok(R::Return::from_bytes(&result.body).expect("the answer to this call"))
    }
}

/// What the client does otherwise than it should.
#[derive(Default)]
pub(crate) struct Mistakes {
    pub(crate) factors: bool,
    pub(crate) encryption: bool,
    pub(crate) data_centre: bool,
    pub(crate) nonce: bool,
    pub(crate) half: bool,
}

/// Makes a key with a data centre; `Err` with the status of a server that ends it.
pub(crate) async fn make_key(
    address: SocketAddr,
    dc: i32,
    pem: &str,
    mistakes: &Mistakes,
) -> Result<[u8; 256], i32> {
    let mut server = Unkeyed::connect(address).await;
    let (nonce, new_nonce) = ([3; 16], [5; 32]);
    let tl::enums::ResPq::Pq(pq) = server.call(&tl::functions::ReqPqMulti { nonce }).await?;
    assert_eq!((pq.nonce, pq.pq.len()), (nonce, 8));
    let server_nonce = pq.server_nonce;
    let (p, q) = factorize(u64::from_be_bytes(pq.pq[..].try_into().expect("eight bytes")));
    let short = |number: u64| (number as u32 + u32::from(mistakes.factors)).to_be_bytes().to_vec();
    let inner = tl::types::PQInnerDataDc {
        pq: pq.pq,
        p: short(p),
        q: short(q),
        nonce,
        server_nonce,
        new_nonce,
        dc: dc + i32::from(mistakes.data_centre),
    };
    let mut encrypted_data =
        rsa::encrypt_hashed(&tl::enums::PQInnerData::Dc(inner).to_bytes(), &public_key(pem), &[9; 224]);
    encrypted_data[17] ^= u8::from(mistakes.encryption);
    let ask = tl::functions::ReqDhParams {
        nonce: if mistakes.nonce { [4; 16] } else { nonce },
        server_nonce,
        p: short(p),
        q: short(q),
        public_key_fingerprint: pq.server_public_key_fingerprints[0],
        encrypted_data,
    };
    let tl::enums::ServerDhParams::Ok(params) = server.call(&ask).await? else { panic!("refused") };
    let (key, iv) = generate_key_data_from_nonce(&server_nonce, &new_nonce);
    let mut data = params.encrypted_answer;
    ige_decrypt(&mut data, &key, &iv);
    let mut cursor = Cursor::from_slice(&data[20..]);
    let tl::enums::ServerDhInnerData::Data(inner) = Deserializable::deserialize(&mut cursor).expect("a half");
    assert_eq!(data[..20], Sha1::digest(&data[20..20 + cursor.pos()])[..]);
    let agreed = Agreed { nonce, server_nonce, new_nonce, key, iv, inner };
    agreed.offer(&mut server, mistakes).await
}

/// The server's half is here.
struct Agreed {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: [u8; 32],
    key: [u8; 32],
    iv: [u8; 32],
    inner: tl::types::ServerDhInnerData,
}

impl Agreed {
    /// Offers halves until the server takes one.
    async fn offer(&self, server: &mut Unkeyed, mistakes: &Mistakes) -> Result<[u8; 256], i32> {
        use tl::enums::SetClientDhParamsAnswer as Answer;
        let prime = BigUint::from_bytes_be(&self.inner.dh_prime);
        let mut retry_id = 0;
        for secret in 1_u8.. {
            let secret = BigUint::from_bytes_be(&[secret; 256]);
            let g_b = BigUint::from(self.inner.g as u32).modpow(&secret, &prime).to_bytes_be();
            let half = self.half(retry_id, g_b, mistakes);
            let mut made = BigUint::from_bytes_be(&self.inner.g_a).modpow(&secret, &prime).to_bytes_le();
            made.resize(256, 0);
            made.reverse();
            let made = AuthKey::from_bytes(made.try_into().expect("256 bytes"));
            match server.call(&half).await? {
                Answer::DhGenOk(ok) => {
                    assert_eq!(ok.new_nonce_hash1, made.calc_new_nonce_hash(&self.new_nonce, 1));
                    return Ok(made.to_bytes());
                }
                Answer::DhGenRetry(retry) => {
                    assert_eq!(retry.new_nonce_hash2, made.calc_new_nonce_hash(&self.new_nonce, 2));
                    let hash = Sha1::digest(made.to_bytes());
                    retry_id = i64::from_le_bytes(hash[..8].try_into().expect("eight bytes"));
                }
                Answer::DhGenFail(_) => panic!("refused"),
            }
        }
        unreachable!("the server takes one of them")
    }

    fn half(&self, retry_id: i64, g_b: Vec<u8>, mistakes: &Mistakes) -> tl::functions::SetClientDhParams {
        let (nonce, server_nonce) = (self.nonce, self.server_nonce);
        let half = tl::types::ClientDhInnerData { nonce, server_nonce, retry_id, g_b };
        let half = tl::enums::ClientDhInnerData::Data(half).to_bytes();
        let mut data = Sha1::digest(&half).to_vec();
        data.extend(half);
        data.resize(data.len().next_multiple_of(16), 0);
        data[0] ^= u8::from(mistakes.half);
        ige_encrypt(&mut data, &self.key, &self.iv);
        tl::functions::SetClientDhParams { nonce, server_nonce, encrypted_data: data }
    }
}

/// Reads the modulus out of the PEM: it is the long number, and the exponent is always the same.
fn public_key(pem: &str) -> rsa::Key {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    let modulus = BigUint::from_bytes_be(&der[9..9 + 256]);
    rsa::Key::new(&modulus.to_string(), "65537").expect("a key")
}
