//! The exchange without its socket: <https://core.telegram.org/mtproto/auth_key>. Each step checks the server's answer
//! before it uses it; an error says which check failed, and nothing of the numbers.

use grammers_crypto::aes::{ige_decrypt, ige_encrypt};
use grammers_crypto::{AuthKey, generate_key_data_from_nonce};
use grammers_tl_types::{self as tl, Cursor, Deserializable, Serializable};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};

use super::factor::factorise;
use super::group;
use super::server_key::ServerKey;

/// The result of a step, or which check failed.
pub(crate) type Checked<T> = Result<T, &'static str>;

/// Random bytes for the second step: the nonce, and padding.
pub(crate) type AskRandom = ([u8; 32], [u8; 224]);

/// Random bytes for the third step: the secret, and padding.
pub(crate) type OfferRandom = ([u8; 256], [u8; 16]);

/// Client and server have named themselves.
#[derive(Clone, Copy)]
struct Nonces {
    ours: [u8; 16],
    server: [u8; 16],
}

/// The second step was sent.
pub(crate) struct Asked {
    nonces: Nonces,
    new_nonce: [u8; 32],
}

/// The server's half is here.
pub(crate) struct Agreed {
    nonces: Nonces,
    new_nonce: [u8; 32],
    /// What the halves are encrypted with.
    key: ([u8; 32], [u8; 32]),
    prime: BigUint,
    g: BigUint,
    g_a: BigUint,
    /// 0, and after a try that the server refused the hash of that key.
    retry_id: i64,
    made: Option<AuthKey>,
}

impl Nonces {
    fn check(self, ours: [u8; 16], server: [u8; 16]) -> Checked<()> {
        match () {
            () if ours != self.ours => Err("the answer is for somebody else"),
            () if server != self.server => Err("the answer is from somebody else"),
            () => Ok(()),
        }
    }
}

/// First step: asks who is there.
pub(crate) fn begin(nonce: [u8; 16]) -> tl::functions::ReqPqMulti {
    tl::functions::ReqPqMulti { nonce }
}

/// Second step: does the work that the server asks for, and tells it a secret under its public key.
pub(crate) fn ask(
    nonce: [u8; 16],
    answer: tl::enums::ResPq,
    keys: &[ServerKey],
    dc: i32,
    (new_nonce, padding): &AskRandom,
) -> Checked<(tl::functions::ReqDhParams, Asked)> {
    let tl::enums::ResPq::Pq(answer) = answer;
    let nonces = Nonces { ours: nonce, server: answer.server_nonce };
    nonces.check(answer.nonce, answer.server_nonce)?;
    let known = |fingerprint: &i64| keys.iter().find(|key| key.fingerprint() == *fingerprint);
    let key = answer.server_public_key_fingerprints.iter().find_map(known);
    let key = key.ok_or("it has none of the keys that are known to be Telegram's")?;
    let (p, q) = number(&answer.pq).and_then(factorise).ok_or("its challenge has no solution")?;
    let (p, q) = (digits(p), digits(q));
    let inner = tl::types::PQInnerDataDc {
        pq: answer.pq,
        p: p.clone(),
        q: q.clone(),
        nonce,
        server_nonce: nonces.server,
        new_nonce: *new_nonce,
        dc,
    };
    let inner = tl::enums::PQInnerData::Dc(inner).to_bytes();
    let encrypted_data = key.encrypt(&inner, padding).ok_or("its key cannot be used")?;
    let request = tl::functions::ReqDhParams {
        nonce,
        server_nonce: nonces.server,
        p,
        q,
        public_key_fingerprint: key.fingerprint(),
        encrypted_data,
    };
    Ok((request, Asked { nonces, new_nonce: *new_nonce }))
}

impl Asked {
    /// Takes the server's half.
    pub(crate) fn agree(self, answer: tl::enums::ServerDhParams) -> Checked<Agreed> {
        let Self { nonces, new_nonce } = self;
        let answer = match answer {
            tl::enums::ServerDhParams::Ok(answer) => answer,
            tl::enums::ServerDhParams::Fail(fail) => {
                nonces.check(fail.nonce, fail.server_nonce)?;
                let proven = fail.new_nonce_hash == Sha1::digest(new_nonce)[4..];
                return Err(if proven { "it refused the exchange" } else { "its refusal is not its own" });
            }
        };
        nonces.check(answer.nonce, answer.server_nonce)?;
        let key = generate_key_data_from_nonce(&nonces.server, &new_nonce);
        let inner = open(answer.encrypted_answer, &key)?;
        nonces.check(inner.nonce, inner.server_nonce)?;
        if !group::is_good(&inner.dh_prime, inner.g) {
            return Err("its prime is not a safe one");
        }
        let prime = BigUint::from_bytes_be(&inner.dh_prime);
        let g_a = BigUint::from_bytes_be(&inner.g_a);
        if !group::is_in_range(&g_a, &prime) {
            return Err("its half of the key is not a safe one");
        }
        let g = BigUint::from(inner.g.unsigned_abs());
        Ok(Agreed { nonces, new_nonce, key, prime, g, g_a, retry_id: 0, made: None })
    }
}

impl Agreed {
    /// Third step: makes the key and sends our half. Again, with other random bytes, if the server asks for it.
    pub(crate) fn offer(
        &mut self,
        (secret, padding): &OfferRandom,
    ) -> Checked<tl::functions::SetClientDhParams> {
        let secret = BigUint::from_bytes_be(secret);
        let g_b = self.g.modpow(&secret, &self.prime);
        if !group::is_in_range(&g_b, &self.prime) {
            return Err("our half of the key is not a safe one");
        }
        self.made = Some(auth_key(&self.g_a.modpow(&secret, &self.prime)));
        let Nonces { ours: nonce, server: server_nonce } = self.nonces;
        let retry_id = self.retry_id;
        let inner = tl::types::ClientDhInnerData { nonce, server_nonce, retry_id, g_b: g_b.to_bytes_be() };
        let inner = tl::enums::ClientDhInnerData::Data(inner).to_bytes();
        let encrypted_data = seal(&inner, padding, &self.key);
        Ok(tl::functions::SetClientDhParams { nonce, server_nonce, encrypted_data })
    }

    /// Takes the server's verdict: the key, or nothing if another try is wanted.
    pub(crate) fn conclude(
        &mut self,
        answer: tl::enums::SetClientDhParamsAnswer,
    ) -> Checked<Option<[u8; 256]>> {
        use tl::enums::SetClientDhParamsAnswer as Answer;
        let (number, ours, server, hash) = match answer {
            Answer::DhGenOk(ok) => (1, ok.nonce, ok.server_nonce, ok.new_nonce_hash1),
            Answer::DhGenRetry(retry) => (2, retry.nonce, retry.server_nonce, retry.new_nonce_hash2),
            Answer::DhGenFail(fail) => (3, fail.nonce, fail.server_nonce, fail.new_nonce_hash3),
        };
        self.nonces.check(ours, server)?;
        let key = self.made.take().ok_or("it answered before it was asked")?;
        if hash != key.calc_new_nonce_hash(&self.new_nonce, number) {
            return Err("it does not have the same key");
        }
        match number {
            1 => Ok(Some(key.to_bytes())),
            2 => {
                let hash = Sha1::digest(key.to_bytes());
                self.retry_id = hash.first_chunk().map_or(0, |hash| i64::from_le_bytes(*hash));
                Ok(None)
            }
            _ => Err("it refused the key"),
        }
    }
}

fn auth_key(shared: &BigUint) -> AuthKey {
    let (mut key, digits) = ([0; 256], shared.to_bytes_le());
    key.iter_mut().rev().zip(digits).for_each(|(byte, digit)| *byte = digit);
    AuthKey::from_bytes(key)
}

/// Decrypts the server's half; its SHA-1 stands in front.
fn open(mut answer: Vec<u8>, (key, iv): &([u8; 32], [u8; 32])) -> Checked<tl::types::ServerDhInnerData> {
    const UNREADABLE: &str = "its half of the key cannot be read";
    if answer.len() < 32 || !answer.len().is_multiple_of(16) {
        return Err(UNREADABLE);
    }
    ige_decrypt(&mut answer, key, iv);
    let (hash, rest) = answer.split_at(20);
    let mut cursor = Cursor::from_slice(rest);
    let inner = tl::enums::ServerDhInnerData::deserialize(&mut cursor).map_err(|_| UNREADABLE)?;
    let (data, padding) = rest.split_at(cursor.pos());
    if *hash != Sha1::digest(data)[..] || padding.len() >= 16 {
        return Err("its half of the key was tampered with");
    }
    let tl::enums::ServerDhInnerData::Data(inner) = inner;
    Ok(inner)
}

fn seal(inner: &[u8], padding: &[u8; 16], (key, iv): &([u8; 32], [u8; 32])) -> Vec<u8> {
    let mut sealed = Sha1::digest(inner).to_vec();
    sealed.extend_from_slice(inner);
    let missing = sealed.len().next_multiple_of(16) - sealed.len();
    sealed.extend_from_slice(&padding[..missing]);
    ige_encrypt(&mut sealed, key, iv);
    sealed
}

/// A big-endian number of at most eight digits.
fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// As few big-endian digits as there are.
fn digits(number: u64) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect()
}

#[cfg(test)]
mod tests;
