//! What is around a message: header, containers, compression, `invoke…` wrappers.

use std::io::Read;

use bytes::{Buf, Bytes};
use grammers_tl_types::{self as tl, Cursor, Deserializable, Identifiable};

/// `msg_container`.
const CONTAINER: u32 = 0x73f1_f8dc;
/// `gzip_packed`.
const GZIP_PACKED: u32 = 0x3072_cfa1;
/// Nothing a client sends grows beyond this.
const INFLATED_MAX: u64 = 16 * 1024 * 1024;

/// A message without what was around it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) msg_id: i64,
    pub(crate) seqno: i32,
    pub(crate) body: Bytes,
}

/// Reads `msg_id seqno len body`.
pub(crate) fn take_message(from: &mut Bytes) -> Option<Message> {
    let msg_id = from.try_get_i64_le().ok()?;
    let seqno = from.try_get_i32_le().ok()?;
    let len = from.try_get_u32_le().ok()? as usize;
    (from.len() >= len).then(|| Message { msg_id, seqno, body: from.split_to(len) })
}

/// The messages in a message: itself, or a container's, inflated.
pub(crate) fn unpack(message: Message) -> Option<Vec<Message>> {
    let body = inflate(message.body)?;
    if constructor(&body)? != CONTAINER {
        return Some(vec![Message { body, ..message }]);
    }
    let mut inner = body.slice(4..);
    let count = inner.try_get_u32_le().ok()?;
    let mut messages = Vec::new();
    for _ in 0..count {
        let message = take_message(&mut inner)?;
        messages.push(Message { body: inflate(message.body)?, ..message });
    }
    Some(messages)
}

/// The constructor a body begins with.
pub(crate) fn constructor(body: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*body.first_chunk()?))
}

fn inflate(body: Bytes) -> Option<Bytes> {
    if constructor(&body)? != GZIP_PACKED {
        return Some(body);
    }
    let packed = take_bytes(&mut body.slice(4..))?;
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).take(INFLATED_MAX).read_to_end(&mut inflated).ok()?;
    Some(inflated.into())
}

/// Reads TL `bytes` without copying them.
pub(crate) fn take_bytes(from: &mut Bytes) -> Option<Bytes> {
    let (header, len) = match from.try_get_u8().ok()? {
        254 => {
            let len = from.get(..3)?;
            let len = usize::from(len[0]) | usize::from(len[1]) << 8 | usize::from(len[2]) << 16;
            from.advance(3);
            (4, len)
        }
        len => (1, usize::from(len)),
    };
    let padding = (4 - (header + len) % 4) % 4;
    let bytes = (from.len() >= len).then(|| from.split_to(len))?;
    from.advance(padding.min(from.len()));
    Some(bytes)
}

/// A call without its wrappers.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) layer: Option<i32>,
    pub(crate) body: Bytes,
}

/// Takes `invokeWithLayer`, `initConnection` and their like away. `None` for what cannot be read.
pub(crate) fn unwrap(mut body: Bytes) -> Option<Query> {
    use tl::functions as f;
    let mut layer = None;
    loop {
        body = inflate(body)?;
        let inner = body.slice(4..);
        let mut cursor = Cursor::from_slice(&inner);
        match constructor(&body)? {
            f::InvokeWithLayer::<Nothing>::CONSTRUCTOR_ID => {
                layer = Some(f::InvokeWithLayer::<Nothing>::deserialize(&mut cursor).ok()?.layer);
            }
            f::InitConnection::<Nothing>::CONSTRUCTOR_ID => {
                f::InitConnection::<Nothing>::deserialize(&mut cursor).ok()?;
            }
            f::InvokeAfterMsg::<Nothing>::CONSTRUCTOR_ID => {
                f::InvokeAfterMsg::<Nothing>::deserialize(&mut cursor).ok()?;
            }
            f::InvokeWithoutUpdates::<Nothing>::CONSTRUCTOR_ID => {}
            _ => return Some(Query { layer, body }),
        }
        body = inner.slice(cursor.pos()..);
    }
}

/// Stands for the wrapped call, so that a wrapper's own fields can be read alone.
struct Nothing;

impl Deserializable for Nothing {
    fn deserialize(_: &mut Cursor<'_>) -> tl::deserialize::Result<Self> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use grammers_tl_types::Serializable;

    use super::*;

    fn message(msg_id: i64, body: &[u8]) -> Vec<u8> {
        let mut bytes = msg_id.to_le_bytes().to_vec();
        bytes.extend(1_i32.to_le_bytes());
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).expect("memory");
        let mut packed = GZIP_PACKED.to_le_bytes().to_vec();
        encoder.finish().expect("memory").serialize(&mut packed);
        packed
    }

    #[test]
    fn opens_a_container_with_a_compressed_message() {
        let ping = tl::functions::Ping { ping_id: 7 }.to_bytes();
        let mut container = CONTAINER.to_le_bytes().to_vec();
        container.extend(2_u32.to_le_bytes());
        container.extend(message(4, &ping));
        container.extend(message(8, &gzip(&ping)));
        let outer = take_message(&mut Bytes::from(message(12, &container))).expect("a message");
        let inner = unpack(outer).expect("a container");
        assert_eq!(
            inner.iter().map(|m| (m.msg_id, &m.body[..])).collect::<Vec<_>>(),
            [(4, &ping[..]), (8, &ping[..])]
        );
    }

    #[test]
    fn takes_wrappers_away_and_keeps_the_layer() {
        let query = tl::functions::help::GetConfig {};
        let init = tl::functions::InitConnection {
            api_id: 1,
            device_model: "d".into(),
            system_version: "s".into(),
            app_version: "a".into(),
            system_lang_code: "en".into(),
            lang_pack: String::new(),
            lang_code: "en".into(),
            proxy: None,
            params: None,
            query: query.clone(),
        };
        let call = tl::functions::InvokeWithLayer { layer: 229, query: init };
        let unwrapped = unwrap(call.to_bytes().into()).expect("a call");
        assert_eq!(unwrapped, Query { layer: Some(229), body: query.to_bytes().into() });
    }

    #[test]
    fn reads_short_and_long_bytes() {
        for len in [0, 1, 3, 253, 254, 1000] {
            let mut encoded = Bytes::from(vec![9_u8; len].to_bytes());
            assert_eq!(take_bytes(&mut encoded).expect("bytes").len(), len);
            assert!(encoded.is_empty());
        }
    }
}
