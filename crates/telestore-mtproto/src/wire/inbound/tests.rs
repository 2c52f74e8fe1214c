use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use grammers_tl_types::Serializable;

use super::*;

const SESSION: i64 = 77;

fn read(plaintext: &[u8], session_id: i64) -> Result<Vec<Notice>> {
    super::message(plaintext, session_id)?.notices(&|id| (id < 100).then_some(ANSWER_MAX))
}

fn message(id: i64, sequence: i32, body: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &sequence.to_le_bytes(), &(body.len() as u32).to_le_bytes(), body].concat()
}

fn packet(message: &[u8]) -> Vec<u8> {
    [&1_i64.to_le_bytes()[..], &SESSION.to_le_bytes(), message, &[0; 12]].concat()
}

fn rpc_result(id: i64, result: &[u8]) -> Vec<u8> {
    [&RPC_RESULT.to_le_bytes()[..], &id.to_le_bytes(), result].concat()
}

fn container(messages: &[Vec<u8>]) -> Vec<u8> {
    let count = messages.len() as u32;
    [&CONTAINER.to_le_bytes()[..], &count.to_le_bytes(), &messages.concat()].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(GZIP_PACKED.to_le_bytes().to_vec(), Compression::fast());
    encoder.write_all(body).expect("memory");
    let all = encoder.finish().expect("memory");
    [&all[..4], &all[4..].to_vec().to_bytes()].concat()
}

#[test]
fn reads_answers_in_a_container_packed_or_not() {
    let yes = true.to_bytes();
    let text = "FLOOD_WAIT_3";
    let error = types::RpcError { error_code: 420, error_message: text.into() };
    let inner = [
        message(5, 1, &rpc_result(4, &yes)),
        message(9, 3, &rpc_result(8, &gzip(&yes))),
        message(13, 4, &rpc_result(12, &gzip(&enums::RpcError::from(error).to_bytes()))),
    ];
    let notices = read(&packet(&message(17, 6, &container(&inner))), SESSION).expect("readable");
    let expected = [
        Notice::Ack(5),
        Notice::Event(Event::Answer(4, yes.clone())),
        Notice::Ack(9),
        Notice::Event(Event::Answer(8, yes)),
        Notice::Event(Event::Failed(12, RpcError::new(420, text.as_bytes()))),
    ];
    assert_eq!(notices, expected);
}

#[test]
fn what_nobody_asked_for_is_not_unpacked() {
    let junk = [&GZIP_PACKED.to_le_bytes()[..], &b"no gzip".to_vec().to_bytes()].concat();
    let inner = [
        message(5, 1, &rpc_result(100, &junk)),
        message(9, 3, &junk),
        message(13, 5, &gzip(&rpc_result(8, &true.to_bytes()))),
    ];
    let notices = read(&packet(&message(17, 6, &container(&inner))), SESSION).expect("readable");
    assert_eq!(notices, [5, 9, 13].map(Notice::Ack));
}

#[test]
fn what_is_packed_twice_is_unpacked_once() {
    let twice = gzip(&gzip(&vec![0; ANSWER_MAX]));
    let notices = read(&packet(&message(5, 0, &rpc_result(4, &twice))), SESSION).expect("readable");
    let [Notice::Event(Event::Answer(4, answer))] = &notices[..] else { panic!("{notices:?}") };
    assert!(answer.len() < 64 * 1024);
}

#[test]
fn reads_what_is_wrong_with_a_message() {
    let bad = types::BadServerSalt { bad_msg_id: 4, bad_msg_seqno: 1, error_code: 48, new_server_salt: 99 };
    let bad = enums::BadMsgNotification::from(bad).to_bytes();
    let notices = read(&packet(&message(5, 0, &bad)), SESSION).expect("readable");
    assert_eq!(notices, [Notice::Salt(99), Notice::NotTaken { id: 4, code: 48, told_in: 5 }]);
}

#[test]
fn an_answer_that_cannot_be_unpacked_is_told_to_its_caller() {
    let body = [&GZIP_PACKED.to_le_bytes()[..], &b"no gzip".to_vec().to_bytes()].concat();
    let notices = read(&packet(&message(5, 0, &rpc_result(4, &body))), SESSION).expect("readable");
    assert!(matches!(notices[..], [Notice::Event(Event::Unreadable(4, _))]), "{notices:?}");
}

#[test]
fn what_is_cut_off_or_foreign_or_grows_too_large_is_an_error() {
    let whole = packet(&message(5, 1, &container(&[message(9, 1, &rpc_result(4, &true.to_bytes()))])));
    for length in 0..whole.len() - 12 {
        assert!(read(&whole[..length], SESSION).is_err(), "{length}");
    }
    assert!(read(&whole, SESSION + 1).is_err());
    for bomb in [gzip(&vec![0; ANSWER_MAX + 1]), vec![0; ANSWER_MAX + 1]] {
        let notices = read(&packet(&message(5, 0, &rpc_result(4, &bomb))), SESSION).expect("readable");
        assert!(matches!(notices[..], [Notice::Event(Event::Unreadable(4, _))]));
    }
    assert!(read(&[&whole[..], &[0; PADDING_MAX]].concat(), SESSION).is_err());
    let much = message(9, 1, &true.to_bytes());
    let many = container(&vec![much; NOTICES_MAX + 2]);
    assert!(read(&packet(&message(5, 0, &many)), SESSION).is_err());
}

#[test]
fn compressed_answers_of_a_packet_share_what_they_may_grow_to() {
    let half = gzip(&vec![0; ANSWER_MAX / 2 + 1]);
    let inner = [message(5, 0, &rpc_result(4, &half)), message(9, 0, &rpc_result(8, &half))];
    let notices = read(&packet(&message(13, 0, &container(&inner))), SESSION).expect("readable");
    let [Notice::Event(Event::Answer(4, _)), Notice::Event(Event::Unreadable(8, _))] = &notices[..] else {
        panic!("{} notices", notices.len());
    };
}

#[test]
fn states_are_told_to_who_asked_and_no_more_of_them_than_were_asked_for() {
    let told = |req_msg_id: i64, info: Vec<u8>| {
        let info = types::MsgsStateInfo { req_msg_id, info };
        let body = enums::MsgsStateInfo::from(info).to_bytes();
        let packet = packet(&message(5, 2, &body));
        super::message(&packet, SESSION)?.notices(&|id| (id == 4).then_some(3))
    };
    let states = vec![1, 4, 100];
    assert_eq!(told(4, states.clone()), Ok(vec![Notice::Event(Event::Answer(4, states.clone()))]));
    assert_eq!(told(8, states), Ok(Vec::new()));
    assert_eq!(told(4, vec![4; 4]), Ok(Vec::new()));
}
