//! What a stranger may say: answers that are made to harm their reader.

mod answers;
mod changes;
mod files;
mod http;
mod mtproto;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) use changes::change;
pub use http::{HostileFile, HostileHttp};
pub use mtproto::HostileMtproto;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default()
}
