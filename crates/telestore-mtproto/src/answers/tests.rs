use grammers_tl_types::{Deserializable, Serializable, enums};

use super::*;

/// An object with nothing but its mandatory fields.
fn bare<T: Deserializable>(mandatory: &[u8]) -> T {
    T::from_bytes(mandatory).expect("the mandatory fields are complete")
}

fn text(text: &str) -> Vec<u8> {
    text.to_owned().to_bytes()
}

/// `updateShortSentMessage` with paid media in paid media, down to `depth`.
fn nested(depth: usize) -> Vec<u8> {
    const SENT: u32 = 0x9015_e101;
    const PAID: u32 = 0xa885_2491;
    const EXTENDED: u32 = 0xee47_9c64;
    const VECTOR: u32 = 0x1cb5_c415;
    const EMPTY: u32 = 0x3ded_6320;
    let mut bytes = [SENT, 1 << 9, 7, 1, 1, 0].map(u32::to_le_bytes).concat();
    for _ in 0..depth {
        bytes.extend([PAID, 0, 0, VECTOR, 1, EXTENDED].map(u32::to_le_bytes).concat());
    }
    bytes.extend(EMPTY.to_le_bytes());
    bytes
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let sent = nested(20);
    assert!(enums::Updates::from_bytes(&sent).is_ok(), "it is what Telegram could send");
    assert!(Object::of("Updates", &sent).is_ok());
    for depth in [100, 10_000, 80_000] {
        let error = Object::of("Updates", &nested(depth)).expect_err("too deep");
        assert_eq!(error, "it is nested too deep");
    }
    // Rich text, which has nothing but itself in it.
    const TEXT_BOLD: u32 = 0x6724_abc4;
    const TEXT_EMPTY: u32 = 0xdc3d_824f;
    let bold = |depth| [vec![TEXT_BOLD; depth], vec![TEXT_EMPTY]].concat();
    for (depth, fine) in [(100, true), (1_000_000, false)] {
        let bytes: Vec<u8> = bold(depth).into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(Object::of("RichText", &bytes).is_ok(), fine, "{depth}");
    }
}

#[test]
fn a_vector_of_a_million_takes_no_memory_of_its_own() {
    const UPDATES: u32 = 0x74ae_4240;
    const VECTOR: u32 = 0x1cb5_c415;
    const CONFIG: u32 = 0xa229_dd06;
    let count = 400_000;
    let mut bytes = [UPDATES, VECTOR, count].map(u32::to_le_bytes).concat();
    (0..count).for_each(|_| bytes.extend(CONFIG.to_le_bytes()));
    bytes.extend([VECTOR, 0, VECTOR, 0, 0, 0].map(u32::to_le_bytes).concat());
    let updates = Object::of("Updates", &bytes).expect("readable");
    assert_eq!(updates.objects("updates").filter(|update| update.is("updateConfig")).count(), count as usize);
    // More than there is.
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Object::of("Updates", &bytes).is_err());
}

#[test]
fn the_configuration_names_addresses() {
    let option = tl::types::DcOption {
        ipv6: false,
        media_only: true,
        tcpo_only: false,
        cdn: false,
        r#static: true,
        this_port_only: false,
        id: 4,
        ip_address: "149.154.167.92".to_owned(),
        port: 443,
        secret: None,
    };
    let secret = tl::types::DcOption { secret: Some(vec![1, 2]), media_only: false, ..option.clone() };
    let odd = tl::types::DcOption { ip_address: "x".repeat(100_000), ..option.clone() };
    let options: Vec<enums::DcOption> = vec![option.clone().into(), odd.into(), secret.into()];
    let numbers = |count: usize| vec![0; count * 4];
    let fields = [
        &numbers(3)[..],
        &false.to_bytes(),
        &4_i32.to_le_bytes(),
        &options.to_bytes(),
        &text(""),
        &numbers(21),
        &text("https://t.me/"),
        &numbers(3),
    ];
    let config: tl::types::Config = bare(&fields.concat());
    let found = dc_options(&enums::Config::Config(config).to_bytes()).expect("readable");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], option);
    assert!(found[1].secret.is_some() && !found[1].media_only);
}
