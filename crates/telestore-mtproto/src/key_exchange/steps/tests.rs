use grammers_crypto::hex::from_hex;
use tl::enums::{ResPq, ServerDhParams, SetClientDhParamsAnswer};

use super::*;

/// One of the numbers of an exchange that took place.
fn known(name: &str) -> Vec<u8> {
    let text = include_str!("known_answer.txt");
    let digits = text.lines().skip_while(|line| *line != name).skip(1);
    from_hex(&digits.map_while(|line| line.strip_prefix("  ")).collect::<String>())
}

fn fixed<const N: usize>(name: &str) -> [u8; N] {
    known(name).try_into().unwrap()
}

fn read<T: Deserializable>(name: &str) -> T {
    T::from_bytes(&known(name)).unwrap()
}

fn ask_with(change: impl FnOnce(&mut tl::types::ResPq)) -> Checked<(tl::functions::ReqDhParams, Asked)> {
    let ResPq::Pq(mut answer) = read("pq_answer");
    change(&mut answer);
    let random = (fixed("new_nonce"), [7; 224]);
    ask(fixed("nonce"), ResPq::Pq(answer), &ServerKey::telegram(), 2, &random)
}

fn asked() -> Asked {
    ask_with(|_| {}).unwrap().1
}

fn agreed() -> Agreed {
    asked().agree(read("dh_answer")).unwrap()
}

fn refused<T>(result: Checked<T>) -> &'static str {
    result.err().expect("it is refused")
}

#[test]
fn repeats_an_exchange_that_took_place() {
    let (request, asked) = ask_with(|_| {}).unwrap();
    assert_eq!((request.nonce, request.encrypted_data.len()), (fixed("nonce"), 256));
    let mut agreed = asked.agree(read("dh_answer")).unwrap();
    let offer = agreed.offer(&(fixed("secret"), fixed("padding"))).unwrap();
    assert_eq!(offer.to_bytes(), known("offer"));
    assert_eq!(agreed.conclude(read("verdict")), Ok(Some(fixed("auth_key"))));
}

#[test]
fn an_answer_with_a_wrong_nonce_is_refused() {
    assert!(refused(ask_with(|answer| answer.nonce[3] ^= 1)).contains("somebody else"));
    let change = |ours: usize, server: usize| {
        let ServerDhParams::Ok(mut answer) = read("dh_answer") else { panic!("another answer") };
        answer.nonce[0] ^= ours as u8;
        answer.server_nonce[0] ^= server as u8;
        refused(asked().agree(ServerDhParams::Ok(answer)))
    };
    assert!(change(1, 0).contains("for somebody else"));
    assert!(change(0, 1).contains("from somebody else"));
    let mut agreed = agreed();
    agreed.offer(&(fixed("secret"), fixed("padding"))).unwrap();
    let SetClientDhParamsAnswer::DhGenOk(mut verdict) = read("verdict") else { panic!("another verdict") };
    verdict.server_nonce[15] ^= 1;
    assert!(refused(agreed.conclude(verdict.into())).contains("from somebody else"));
}

#[test]
fn an_unknown_server_and_a_hopeless_challenge_are_refused() {
    let nobody = ask_with(|answer| answer.server_public_key_fingerprints = vec![1, 2]);
    assert!(refused(nobody).contains("none of the keys"));
    for pq in [vec![], vec![0; 8], vec![0xff; 9], 2_147_483_647_u64.to_be_bytes().to_vec()] {
        assert!(refused(ask_with(|answer| answer.pq = pq)).contains("no solution"));
    }
}

#[test]
fn a_tampered_answer_is_refused() {
    let length = known("dh_answer").len();
    for flipped in [0, 40, 300, 560] {
        let ServerDhParams::Ok(mut answer) = read("dh_answer") else { panic!("another answer") };
        answer.encrypted_answer[flipped] ^= 1;
        refused(asked().agree(ServerDhParams::Ok(answer)));
    }
    for cut in [0, 16, 31, length] {
        let ServerDhParams::Ok(mut answer) = read("dh_answer") else { panic!("another answer") };
        answer.encrypted_answer.truncate(cut.min(500));
        refused(asked().agree(ServerDhParams::Ok(answer)));
    }
}

/// An answer of the server as it would have to be for this half of a key.
fn dh_answer(change: impl FnOnce(&mut tl::types::ServerDhInnerData)) -> ServerDhParams {
    let Asked { nonces, new_nonce } = asked();
    let (nonce, server_nonce) = (nonces.ours, nonces.server);
    let good = agreed();
    let mut inner = tl::types::ServerDhInnerData {
        nonce,
        server_nonce,
        g: 3,
        dh_prime: good.prime.to_bytes_be(),
        g_a: good.g_a.to_bytes_be(),
        server_time: 0,
    };
    change(&mut inner);
    let inner = tl::enums::ServerDhInnerData::Data(inner).to_bytes();
    let key = generate_key_data_from_nonce(&server_nonce, &new_nonce);
    let encrypted_answer = seal(&inner, &[0; 16], &key);
    tl::types::ServerDhParamsOk { nonce, server_nonce, encrypted_answer }.into()
}

#[test]
fn bad_groups_and_halves_are_refused() {
    assert!(asked().agree(dh_answer(|_| {})).is_ok());
    let refuse = |change: &dyn Fn(&mut tl::types::ServerDhInnerData)| {
        refused(asked().agree(dh_answer(|inner| change(inner))))
    };
    assert!(refuse(&|inner| inner.dh_prime[255] ^= 2).contains("prime"));
    assert!(refuse(&|inner| inner.dh_prime.truncate(128)).contains("prime"));
    assert!(refuse(&|inner| inner.g = 6).contains("prime"));
    assert!(refuse(&|inner| inner.g = -3).contains("prime"));
    assert!(refuse(&|inner| inner.g_a = vec![1]).contains("half"));
    assert!(refuse(&|inner| inner.g_a = inner.dh_prime.clone()).contains("half"));
    assert!(refuse(&|inner| inner.nonce[0] ^= 1).contains("for somebody else"));
    assert!(refuse(&|inner| inner.server_nonce[0] ^= 1).contains("from somebody else"));
}

#[test]
fn a_server_that_cannot_prove_the_key_is_refused() {
    let mut agreed = agreed();
    agreed.offer(&(fixed("secret"), fixed("padding"))).unwrap();
    let SetClientDhParamsAnswer::DhGenOk(mut verdict) = read("verdict") else { panic!("another verdict") };
    verdict.new_nonce_hash1[0] ^= 1;
    assert!(refused(agreed.conclude(verdict.into())).contains("same key"));
    assert!(refused(agreed.conclude(read("verdict"))).contains("before"), "nothing is left of that try");
}

#[test]
fn another_half_is_offered_where_the_server_asks_for_it() {
    let mut agreed = agreed();
    let offer = |agreed: &mut Agreed, seed: u8| {
        let request = agreed.offer(&([seed; 256], [0; 16])).unwrap();
        let mut data = request.encrypted_data;
        ige_decrypt(&mut data, &agreed.key.0, &agreed.key.1);
        let inner = tl::enums::ClientDhInnerData::deserialize(&mut Cursor::from_slice(&data[20..])).unwrap();
        let tl::enums::ClientDhInnerData::Data(inner) = inner;
        inner
    };
    let answer = |agreed: &Agreed, number| {
        let Nonces { ours, server } = agreed.nonces;
        (ours, server, agreed.made.as_ref().unwrap().calc_new_nonce_hash(&agreed.new_nonce, number))
    };
    let first = offer(&mut agreed, 0x51);
    let (nonce, server_nonce, new_nonce_hash2) = answer(&agreed, 2);
    let expected = agreed.made.as_ref().unwrap().to_bytes();
    let retry = tl::types::DhGenRetry { nonce, server_nonce, new_nonce_hash2 };
    assert_eq!(agreed.conclude(retry.into()), Ok(None));
    let second = offer(&mut agreed, 0x52);
    assert_eq!(first.retry_id, 0);
    assert_eq!(second.retry_id.to_le_bytes(), Sha1::digest(expected)[..8]);
    assert_ne!(first.g_b, second.g_b);
    let (nonce, server_nonce, new_nonce_hash3) = answer(&agreed, 3);
    let fail = tl::types::DhGenFail { nonce, server_nonce, new_nonce_hash3 };
    assert!(refused(agreed.conclude(fail.into())).contains("refused the key"));
}

#[test]
fn a_refusal_must_be_the_servers_own() {
    let Asked { nonces, new_nonce } = asked();
    let hash: [u8; 16] = Sha1::digest(new_nonce)[4..].try_into().unwrap();
    for (new_nonce_hash, why) in [(hash, "refused the exchange"), ([0; 16], "not its own")] {
        let (nonce, server_nonce) = (nonces.ours, nonces.server);
        let fail = tl::types::ServerDhParamsFail { nonce, server_nonce, new_nonce_hash };
        assert!(refused(asked().agree(fail.into())).contains(why));
    }
}
