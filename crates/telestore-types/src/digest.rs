/// A digest that a client sent along with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentDigest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
    /// CRC-32C.
    Crc32c(u32),
}

impl ContentDigest {
    /// The algorithm's name in the registry of RFC 9530.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha-256",
            Self::Sha512(_) => "sha-512",
            Self::Crc32c(_) => "crc32c",
        }
    }
}
