//! Proving a password that is never sent: <https://core.telegram.org/api/srp>.
//!
//! The numbers are those of `grammers_crypto`; what they must be is tested here, since that crate takes them as they come and
//! has the server choose the client's secret.

use grammers_crypto::two_factor_auth::calculate_2fa;
use grammers_tl_types as tl;
use num_bigint::BigUint;
use telestore_types::Secret;
use tl::enums::PasswordKdfAlgo;

use crate::key_exchange::{is_good_group, is_in_range};

/// The length of every large number of the exchange, in bytes.
const LEN: usize = 256;

/// What `auth.checkPassword` sends for `password`, as an answer to what `account.getPassword` said. Each question serves for
/// one answer. It takes a moment of computing.
///
/// # Errors
/// In words for the person who waits: what Telegram asks cannot be answered, or is not safe to answer.
pub fn prove_password(
    question: &tl::types::account::Password,
    password: &Secret,
) -> Result<tl::types::InputCheckPasswordSrp, &'static str> {
    let algo = match &question.current_algo {
        Some(PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo)) => algo,
        Some(PasswordKdfAlgo::Unknown) => {
            return Err("Telegram asks for the password in a way that is newer than this program");
        }
        None => return Err("Telegram asks for a password, and says that there is none"),
    };
    let (Some(half), Some(srp_id)) = (&question.srp_b, question.srp_id) else {
        return Err("Telegram asks for the password, and leaves out what is needed for it");
    };
    if !is_good_group(&algo.p, algo.g) {
        return Err("Telegram asks for the password by numbers that are not safe");
    }
    if half.len() > LEN || !is_in_range(&BigUint::from_bytes_be(half), &BigUint::from_bytes_be(&algo.p)) {
        return Err("Telegram asks for the password by a number that is not safe");
    }
    let mut secret = vec![0; LEN];
    rand::fill(&mut secret[..]);
    let (m1, a) =
        calculate_2fa(&algo.salt1, &algo.salt2, &algo.p, &algo.g, half.clone(), secret, password.expose());
    Ok(tl::types::InputCheckPasswordSrp { srp_id, a: a.to_vec(), m1: m1.to_vec() })
}

#[cfg(test)]
mod tests {
    use tl::types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow as Algo;

    use super::*;

    fn question(
        change: impl FnOnce(&mut tl::types::account::Password, &mut Algo),
    ) -> Result<(), &'static str> {
        let mut algo =
            Algo { salt1: vec![1; 8], salt2: vec![2; 16], g: 3, p: crate::key_exchange::known_prime() };
        let mut question = tl::types::account::Password {
            has_recovery: false,
            has_secure_values: false,
            has_password: true,
            current_algo: None,
            srp_b: Some(vec![7; LEN]),
            srp_id: Some(9),
            hint: None,
            email_unconfirmed_pattern: None,
            new_algo: PasswordKdfAlgo::Unknown,
            new_secure_algo: tl::enums::SecurePasswordKdfAlgo::Unknown,
            secure_random: Vec::new(),
            pending_reset_date: None,
            login_email_pattern: None,
        };
        change(&mut question, &mut algo);
        question.current_algo = question.has_password.then(|| algo.into());
        prove_password(&question, &"open sesame".into()).map(|proof| assert_eq!(proof.srp_id, 9))
    }

    #[test]
    fn what_is_not_safe_to_answer_is_not_answered() {
        assert_eq!(question(|_, _| ()), Ok(()));
        for (wrong, words) in [
            (question(|_, algo| algo.g = 8), "numbers"),
            (question(|_, algo| algo.p = vec![0xff; LEN]), "numbers"),
            (question(|_, algo| algo.p = vec![23]), "numbers"),
            (question(|question, _| question.srp_b = Some(vec![0; LEN])), "a number"),
            (question(|question, _| question.srp_b = Some(vec![1; LEN + 1])), "a number"),
            (question(|question, _| question.srp_b = Some(vec![0xff; LEN])), "a number"),
            (question(|question, _| question.srp_b = None), "leaves out"),
            (question(|question, _| question.srp_id = None), "leaves out"),
            (question(|question, _| question.has_password = false), "there is none"),
        ] {
            assert!(wrong.is_err_and(|text| text.contains(words)), "{words}");
        }
    }
}
