//! Making an auth key: the server's side of the key exchange, without its socket.

use std::sync::LazyLock;

use grammers_tl_types::{Cursor, Deserializable, Serializable, enums, functions as f, types};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};

use super::ige;
use super::rsa::{self, number, padded};

/// The product of the two primes below, as Telegram's documentation has it.
const PQ: u64 = 0x17ED_4894_1A08_F981;
const P: u32 = 0x494C_553B;
const Q: u32 = 0x5391_1073;

/// The generator that Telegram uses, and its prime.
pub(super) const G: i32 = 3;
const PRIME: &str = concat!(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f",
    "48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37",
    "20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64",
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4",
    "a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754",
    "fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4",
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f",
    "0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b",
);

pub(super) static DH_PRIME: LazyLock<BigUint> = LazyLock::new(|| number(PRIME));

/// A key that client and server now share.
pub(crate) struct NewKey {
    pub(crate) data: [u8; 256],
    pub(crate) salt: i64,
}

/// How far one connection is. What does not fit gets no answer, as on Telegram.
#[derive(Default)]
pub(crate) struct Handshake(Option<State>);

struct State {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    agreed: Option<Agreed>,
}

struct Agreed {
    new_nonce: [u8; 32],
    /// The server's secret.
    a: BigUint,
    /// What the next try must name: 0, and then the key of the try before.
    retry_id: i64,
}

impl Handshake {
    /// Answers the first call.
    pub(crate) fn begin(&mut self, call: &f::ReqPqMulti) -> Vec<u8> {
        let state = State { nonce: call.nonce, server_nonce: rand::random(), agreed: None };
        let (nonce, server_nonce) = (state.nonce, state.server_nonce);
        self.0 = Some(state);
        let pq = types::ResPq {
            nonce,
            server_nonce,
            pq: PQ.to_be_bytes().to_vec(),
            server_public_key_fingerprints: vec![rsa::fingerprint()],
        };
        enums::ResPq::Pq(pq).to_bytes()
    }

    /// Gives the server's half of the key to a client that factorised and encrypted for this data centre.
    pub(crate) fn agree(&mut self, call: &f::ReqDhParams, dc: i32) -> Option<Vec<u8>> {
        let state = self.0.as_mut()?;
        let (nonce, server_nonce) = (state.nonce, state.server_nonce);
        let factors = (P.to_be_bytes(), Q.to_be_bytes());
        if (call.nonce, call.server_nonce, call.public_key_fingerprint)
            != (nonce, server_nonce, rsa::fingerprint())
            || (&call.p[..], &call.q[..]) != (&factors.0[..], &factors.1[..])
        {
            return None;
        }
        let inner: enums::PQInnerData = rsa::decrypt(&call.encrypted_data)?;
        let (theirs, new_nonce, meant) = match inner {
            enums::PQInnerData::Data(data) => ((data.nonce, data.server_nonce), data.new_nonce, dc),
            enums::PQInnerData::Dc(data) => ((data.nonce, data.server_nonce), data.new_nonce, data.dc),
            _ => return None,
        };
        if theirs != (nonce, server_nonce) || meant != dc {
            return None;
        }
        let a = BigUint::from_bytes_be(&rand::random::<[u8; 256]>());
        let inner = types::ServerDhInnerData {
            nonce,
            server_nonce,
            g: G,
            dh_prime: DH_PRIME.to_bytes_be(),
            g_a: padded::<256>(&BigUint::from(G.unsigned_abs()).modpow(&a, &DH_PRIME)).to_vec(),
            server_time: crate::channel::unix_time() as i32,
        };
        let (key, iv) = key_and_iv(&server_nonce, &new_nonce);
        let encrypted_answer = seal(enums::ServerDhInnerData::Data(inner).to_bytes(), &key, &iv);
        state.agreed = Some(Agreed { new_nonce, a, retry_id: 0 });
        let params = types::ServerDhParamsOk { nonce, server_nonce, encrypted_answer };
        Some(enums::ServerDhParams::Ok(params).to_bytes())
    }

    /// Takes the client's half. With `refuse` the client is asked for another one.
    pub(crate) fn end(
        &mut self,
        call: &f::SetClientDhParams,
        refuse: bool,
    ) -> Option<(Vec<u8>, Option<NewKey>)> {
        let state = self.0.as_mut()?;
        let (nonce, server_nonce) = (state.nonce, state.server_nonce);
        let agreed = state.agreed.as_mut()?;
        let (key, iv) = key_and_iv(&server_nonce, &agreed.new_nonce);
        let inner = open(&call.encrypted_data, &key, &iv)?;
        let right = (call.nonce, call.server_nonce) == (nonce, server_nonce)
            && (inner.nonce, inner.server_nonce) == (nonce, server_nonce)
            && inner.retry_id == agreed.retry_id;
        if !right {
            return None;
        }
        let shared = BigUint::from_bytes_be(&inner.g_b).modpow(&agreed.a, &DH_PRIME);
        let data: [u8; 256] = padded(&shared);
        let hash = |number| new_nonce_hash(&agreed.new_nonce, number, &data);
        if refuse {
            let retry = types::DhGenRetry { nonce, server_nonce, new_nonce_hash2: hash(2) };
            agreed.retry_id = i64::from_le_bytes(*Sha1::digest(data).first_chunk()?);
            return Some((enums::SetClientDhParamsAnswer::DhGenRetry(retry).to_bytes(), None));
        }
        let ok = types::DhGenOk { nonce, server_nonce, new_nonce_hash1: hash(1) };
        let ours = i64::from_le_bytes(*server_nonce.first_chunk()?);
        let salt = i64::from_le_bytes(*agreed.new_nonce.first_chunk()?) ^ ours;
        self.0 = None;
        Some((enums::SetClientDhParamsAnswer::DhGenOk(ok).to_bytes(), Some(NewKey { data, salt })))
    }
}

/// What proves to the client that both have the same key.
fn new_nonce_hash(new_nonce: &[u8; 32], number: u8, key: &[u8; 256]) -> [u8; 16] {
    let aux = &Sha1::digest(key)[..8];
    let digest = Sha1::new().chain_update(new_nonce).chain_update([number]).chain_update(aux).finalize();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[4..]);
    hash
}

/// The temporary key, from both nonces.
fn key_and_iv(server_nonce: &[u8; 16], new_nonce: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let digest = |a: &[u8], b: &[u8]| Sha1::new().chain_update(a).chain_update(b).finalize();
    let (new_server, server_new) = (digest(new_nonce, server_nonce), digest(server_nonce, new_nonce));
    let new_new = digest(new_nonce, new_nonce);
    let (mut key, mut iv) = ([0; 32], [0; 32]);
    key[..20].copy_from_slice(&new_server);
    key[20..].copy_from_slice(&server_new[..12]);
    iv[..8].copy_from_slice(&server_new[12..]);
    iv[8..28].copy_from_slice(&new_new);
    iv[28..].copy_from_slice(&new_nonce[..4]);
    (key, iv)
}

/// The answer behind its SHA-1, padded and encrypted.
fn seal(answer: Vec<u8>, key: &[u8; 32], iv: &[u8; 32]) -> Vec<u8> {
    let mut sealed = Sha1::digest(&answer).to_vec();
    sealed.extend(answer);
    let padding = sealed.len().next_multiple_of(16) - sealed.len();
    sealed.extend(&rand::random::<[u8; 16]>()[..padding]);
    ige::encrypt(&mut sealed, key, iv);
    sealed
}

fn open(sealed: &[u8], key: &[u8; 32], iv: &[u8; 32]) -> Option<types::ClientDhInnerData> {
    if sealed.len() < 32 || !sealed.len().is_multiple_of(16) {
        return None;
    }
    let mut data = sealed.to_vec();
    ige::decrypt(&mut data, key, iv);
    let (hash, inner) = data.split_at(20);
    let mut cursor = Cursor::from_slice(inner);
    let enums::ClientDhInnerData::Data(parsed) = enums::ClientDhInnerData::deserialize(&mut cursor).ok()?;
    (*hash == Sha1::digest(&inner[..cursor.pos()])[..]).then_some(parsed)
}
