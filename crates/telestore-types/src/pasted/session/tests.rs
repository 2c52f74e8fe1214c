use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

fn key() -> [u8; KEY_LEN] {
    std::array::from_fn(|i| (i * 7 + 3) as u8)
}

fn telethon_bytes(ip: &[u8]) -> Vec<u8> {
    [&[2][..], ip, &443_u16.to_be_bytes(), &key()].concat()
}

fn telethon(ip: &[u8]) -> String {
    format!("1{}", URL_SAFE.encode(telethon_bytes(ip)))
}

fn v4() -> String {
    telethon(&[149, 154, 167, 51])
}

fn v6() -> String {
    let ip: std::net::Ipv6Addr = "2001:67c:4e8:f002::a".parse().unwrap();
    telethon(&ip.octets())
}

fn gramjs_bytes(host: &str) -> Vec<u8> {
    [&[2][..], &(host.len() as u16).to_be_bytes(), host.as_bytes(), &443_u16.to_be_bytes(), &key()].concat()
}

fn gramjs(host: &str) -> String {
    format!("1{}", STANDARD.encode(gramjs_bytes(host)))
}

fn pyrogram_bytes(form: u8, test: u8) -> Vec<u8> {
    match form {
        1 => [&[4][..], &[test], &key(), &9_u32.to_be_bytes(), &[1]].concat(),
        2 => [&[4][..], &[test], &key(), &9_u64.to_be_bytes(), &[0]].concat(),
        _ => [&[4][..], &77_u32.to_be_bytes(), &[test], &key(), &9_u64.to_be_bytes(), &[1]].concat(),
    }
}

fn read(text: &str) -> PastedSession {
    session(text).unwrap_or_else(|fault| panic!("{fault}"))
}

fn error(text: &str) -> String {
    session(text).expect_err("no session string").to_string()
}

#[test]
fn telethons_name_an_address() {
    for (text, address) in [(v4(), "149.154.167.51:443"), (v6(), "[2001:67c:4e8:f002::a]:443")] {
        let session = read(&text);
        assert_eq!((session.kind, session.dc_id, session.test), (SessionKind::Telethon, 2, false));
        assert_eq!(session.address.unwrap().to_string(), address);
        assert_eq!(session.auth_key, key());
    }
    assert_eq!((v4().len(), v6().len()), (353, 369));
}

#[test]
fn gramjss_name_an_address_as_text_of_any_length() {
    // The last has the length of Telethon's for IPv6, and the third that of Pyrogram's, without the 1.
    for host in
        ["1.1.1.1", "91.108.56.1", "91.10.5.10", "149.154.167.51", "149.154.175.100", "2001:67c:4e8:f002::a"]
    {
        let session = read(&gramjs(host));
        assert_eq!((session.kind, session.dc_id, session.auth_key), (SessionKind::GramJs, 2, key()));
        assert_eq!(session.address.unwrap().ip().to_string(), host);
        assert_eq!(read(&gramjs(host)[1..]), session, "without its 1");
    }
    let by_name = read(&gramjs("venus.web.telegram.org"));
    assert_eq!((by_name.dc_id, by_name.address), (2, None));
    assert_eq!(session(&gramjs("mtproto.example")), Err(SessionFault::HostName));
}

#[test]
fn pyrograms_name_a_data_centre() {
    for (form, length, api_id) in [(1, 351, None), (2, 356, None), (3, 362, Some(77))] {
        for test in [0, 1] {
            let text = URL_SAFE_NO_PAD.encode(pyrogram_bytes(form, test));
            assert_eq!(text.len(), length);
            let session = read(&text);
            assert_eq!((session.kind, session.dc_id, session.test), (SessionKind::Pyrogram, 4, test == 1));
            assert_eq!((session.address, session.api_id, session.auth_key), (None, api_id, key()));
        }
    }
}

#[test]
fn what_is_around_and_between_does_not_count() {
    for whole in [v4(), v6(), gramjs("149.154.167.51"), URL_SAFE_NO_PAD.encode(pyrogram_bytes(3, 0))] {
        let session = read(&whole);
        let (front, back) = whole.split_at(100);
        for text in [
            format!("\"{whole}\""),
            format!(" '{whole}'\r\n"),
            format!("\u{feff}{whole}\u{200b}"),
            format!("“{whole}”"),
            format!("{front}\n{back}"),
            format!("{front}\\n{back}\\n"),
            format!("{front}\u{200b} \t{back}"),
            format!("{front}\\\n{back}"),
            format!("TELESTORE_TELEGRAM_SESSION={whole}"),
            format!("export TELEGRAM_SESSION='{whole}'"),
            format!("telegram_session: {whole}"),
            format!("\"telegram_session\": \"{whole}\","),
            format!("client = TelegramClient(StringSession(\"{whole}\"), 1, '0')"),
            whole.replace('-', "+").replace('_', "/"),
            whole.replace('+', "-").replace('/', "_"),
            whole.trim_end_matches('=').to_owned(),
            format!("{whole}=="),
            whole.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F"),
        ] {
            assert_eq!(super::session(&text), Ok(session.clone()), "{}", text.replace(&whole[10..], "…"));
        }
    }
}

#[test]
fn a_lost_1_is_repaired_where_nothing_else_can_be_meant() {
    for whole in [v4(), v6(), telethon(&[127, 0, 0, 1])] {
        assert_eq!(read(&whole[1..]), read(&whole));
    }
    // Behind an address that is Pyrogram's test flag stands what is no bot flag: neither.
    let neither = URL_SAFE.encode([&telethon_bytes(&[1, 2, 3, 4])[..262], &[9]].concat());
    assert_eq!(session(&neither), Err(SessionFault::Garbled));
    // The two flags are flags, so it is Pyrogram's, and no Telethon string at 0.…
    let oldest = URL_SAFE.encode(pyrogram_bytes(1, 0));
    assert_eq!(read(&oldest).kind, SessionKind::Pyrogram);
}

#[test]
fn what_is_cut_off_says_how_much_is_missing() {
    for (whole, padding) in
        [(v4(), 1), (v6(), 1), (gramjs("149.154.167.51"), 2), (gramjs("venus.web.telegram.org"), 2)]
    {
        let digits = whole.trim_end_matches('=').len();
        assert!(whole.len() - digits <= padding);
        for missing in [1, 2, 3, 12, 200] {
            let fault = session(&whole[..digits - missing]);
            assert_eq!(fault, Err(SessionFault::CutOff { missing }), "{}", whole.len());
        }
    }
    let oldest = URL_SAFE_NO_PAD.encode(pyrogram_bytes(1, 0));
    assert_eq!(session(&oldest[..340]), Err(SessionFault::CutOff { missing: 11 }));
    let newest = URL_SAFE_NO_PAD.encode(pyrogram_bytes(3, 0));
    assert_eq!(session(&newest[..360]), Err(SessionFault::CutOff { missing: 2 }));
    assert_eq!(session(&format!("{}A", v4().trim_end_matches('='))), Err(SessionFault::TooLong { extra: 1 }));
    assert_eq!(session("1AAAA"), Err(SessionFault::Short(4)));
    assert!(error(&v4()[..340]).contains("12 characters are missing"));
}

#[test]
fn damage_is_named() {
    assert_eq!(
        session(&format!("{}é{}", &v4()[..9], &v4()[10..])),
        Err(SessionFault::Character { at: 10, what: "U+00E9".into() })
    );
    for dots in ["...", "…", "***"] {
        assert_eq!(session(&format!("{}{dots}", &v4()[..40])), Err(SessionFault::Masked));
    }
    let elsewhere = URL_SAFE.encode([&[9], &telethon_bytes(&[149, 154, 167, 51])[1..]].concat());
    assert_eq!(session(&format!("1{elsewhere}")), Err(SessionFault::DataCentre(9)));
    assert_eq!(session(&telethon(&[0, 0, 0, 0])), Err(SessionFault::Garbled));
    assert_eq!(session(" \"\" "), Err(SessionFault::Empty));
}

#[test]
fn other_things_are_called_by_their_names() {
    let mtcute = |flags: u8, user: &[u8]| {
        let dc = [&[26, 2, 2, 0][..], b"\x0e149.154.167.51\0", &443_i32.to_le_bytes(), &[0]].concat();
        URL_SAFE_NO_PAD.encode([&[3, flags, 0, 0, 0][..], &dc, user, &[0xfe, 0, 1, 0], &key()].concat())
    };
    let mtkruto = |dc: &[u8]| URL_SAFE_NO_PAD.encode([dc, &[0xfe, 0, 1, 1, 0, 1], &key()].concat());
    for (text, foreign) in [
        (mtcute(0, &[]), Foreign::Mtcute),
        (mtcute(1, &[7, 0, 0, 0, 0, 0, 0, 0, 0x37, 0x97, 0x79, 0xbc]), Foreign::Mtcute),
        (mtkruto(&[1, b'2', 0, 2]), Foreign::MtKruto),
        (mtkruto(b"\x062-test\0\x01"), Foreign::MtKruto),
        ("{\"Version\": 1, \"Data\": {\"DC\": 2, \"AuthKey\": \"AAAA\"}}".to_owned(), Foreign::Gotd),
        ("SQLite format 3\0".to_owned(), Foreign::SqliteFile),
        (STANDARD.encode(b"SQLite format 3\0\x10\0"), Foreign::SqliteFile),
        ("/home/me/account.session".to_owned(), Foreign::SqliteFile),
        ("TDF$\u{1}".to_owned(), Foreign::Tdata),
        (STANDARD.encode(b"TDF$\x01\x02\x03"), Foreign::Tdata),
        ("C:\\Telegram\\tdata".to_owned(), Foreign::Tdata),
        ("D877F783D5D3EF8C/maps".to_owned(), Foreign::Tdata),
        ("./td.binlog".to_owned(), Foreign::Tdlib),
        ("session.madeline".to_owned(), Foreign::MadelineProto),
        ("O:33:\"danog\\MadelineProto\\APIWrapper\":1".to_owned(), Foreign::MadelineProto),
        ("~/session.txt".to_owned(), Foreign::Path),
        (format!("WZ_{}", "A".repeat(392)), Foreign::WzGram),
        ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5".to_owned(), Foreign::BotToken),
        ("bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw5".to_owned(), Foreign::BotToken),
        ("+49 151 2345678".to_owned(), Foreign::Phone),
        ("\"+1 (555) 123-4567\"".to_owned(), Foreign::Phone),
        ("12345".to_owned(), Foreign::LoginCode),
        ("0123456789abcdef0123456789abcdef".to_owned(), Foreign::ApiHash),
        ("-1001953958128".to_owned(), Foreign::Channel),
        ("https://t.me/c/1953958128/5".to_owned(), Foreign::Channel),
        (key().iter().map(|b| format!("{b:02x}")).collect(), Foreign::BareKey),
    ] {
        assert_eq!(session(&text), Err(SessionFault::Foreign(foreign)), "{text}");
        assert!(error(&format!("'{text}'\n")).contains(foreign.name()), "{text}");
    }
    assert!(error("12345").contains("sign in with it by Telethon or Pyrogram"));
}

#[test]
fn no_part_of_it_is_shown() {
    let whole = v4();
    let shown = format!("{:?}", read(&whole));
    assert!(shown.contains("149.154.167.51:443") && !shown.contains("auth_key"), "{shown}");
    for text in [&whole[..300], &whole.replace('1', "é"), &format!("{whole}{whole}")] {
        let fault = session(text).unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains(&whole[20..30]), "{fault}");
    }
}

#[test]
fn anything_is_read_without_a_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    };
    for length in 0..600 {
        let text: String = (0..length).map(|_| char::from_u32(random() % 0x250).unwrap_or('A')).collect();
        let _ = session(&text);
        let _ = session(&format!("1{}", "A".repeat(length)));
        let _ = session(&"_".repeat(length));
        let bytes: Vec<u8> = (0..length).map(|_| random() as u8 % 14).collect();
        let _ = session(&URL_SAFE.encode(&bytes));
        let _ = session(&format!("1{}", STANDARD.encode(&bytes)));
    }
}
