//! The tables that both databases have.

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Int,
    /// Milliseconds by the store's clock.
    Time,
    Flag,
    Text,
    /// The name of a chunk's bytes.
    Blob,
    Bytes,
    /// A token, or a key of a bot, sealed for the key that the row names.
    Token,
}
use Kind::{Blob, Bytes, Flag, Int, Text, Time, Token};

/// A table that both have, in the order in which its rows are copied.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) order: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// What becomes of a row that the other database has, too.
    pub(super) had: &'static str,
}

pub(super) const UPLOADS: Table = Table {
    name: "uploads",
    order: "id",
    columns: &[
        ("id", Text),
        ("key", Text),
        ("file_name", Text),
        ("file_size", Int),
        ("total_chunks", Int),
        ("mime_type", Text),
        ("options", Text),
        ("metadata", Text),
        ("fingerprint", Text),
        ("source", Token),
        ("user_id", Text),
        ("address", Text),
        ("sealed_token", Token),
        ("kind", Text),
        ("state", Text),
        ("received_chunks", Int),
        ("received_bytes", Int),
        ("progress", Int),
        ("attempt", Int),
        ("queued_at", Time),
        ("next_attempt_at", Time),
        ("error", Text),
        ("outcome", Text),
        ("stored", Text),
        ("encoding", Text),
        ("encoding_keys", Token),
        ("duplicate_of", Text),
        ("resume", Bytes),
        ("resume_of", Text),
        ("resume_sender", Text),
        ("maybe_sent", Flag),
        ("early", Flag),
        ("worker", Text),
        ("crashes", Int),
        ("lease_token", Text),
        ("lease_until", Time),
        ("created_at", Time),
        ("updated_at", Time),
    ],
    had: "",
};

pub(super) const CHUNKS: Table = Table {
    name: "chunks",
    order: "key, idx",
    columns: &[("key", Text), ("idx", Int), ("length", Int), ("crc32c", Int), ("blob", Blob)],
    had: "",
};

pub(super) const OUTBOX: Table = Table {
    name: "outbox",
    order: "rowid",
    columns: &[
        ("event_id", Text),
        ("upload_id", Text),
        ("kind", Text),
        ("user_id", Text),
        ("sealed_token", Token),
        ("body", Text),
        ("attempt", Int),
        ("due_at", Time),
        ("created_at", Time),
        ("claim", Text),
        ("claimed_by", Text),
        ("claimed_until", Time),
    ],
    had: "",
};

/// Not the workers, and whose accounts they hold: the command that imports has ended them. A worker that once looked around
/// in the other database has left rows there.
pub(super) const OTHERS: [Table; 6] = [
    Table {
        name: "files",
        order: "place",
        columns: &[
            ("place", Int),
            ("id", Text),
            ("upload_id", Text),
            ("user_id", Text),
            ("file_name", Text),
            ("folded", Text),
            ("size", Int),
            ("mime_type", Text),
            ("sha256", Text),
            ("stored", Text),
            // By the machine's clock, and not by the store's.
            ("created_at", Int),
            ("encrypted", Flag),
            ("compressed", Flag),
        ],
        had: "ON CONFLICT DO NOTHING",
    },
    Table {
        name: "turns",
        order: "user_id",
        columns: &[("user_id", Text), ("turn", Int)],
        had: "ON CONFLICT DO NOTHING",
    },
    Table {
        name: "traffic",
        order: "subject, day",
        columns: &[("subject", Text), ("day", Int), ("bytes", Int)],
        had: "ON CONFLICT (subject, day) DO UPDATE SET bytes = traffic.bytes + EXCLUDED.bytes",
    },
    Table {
        name: "moved_chats",
        order: "user_id",
        columns: &[("user_id", Text), ("chat", Text), ("moved_to", Text)],
        had: "ON CONFLICT DO NOTHING",
    },
    Table {
        name: "bot_keys",
        order: "key",
        columns: &[("key", Text), ("sealed", Token)],
        had: "ON CONFLICT DO NOTHING",
    },
    Table {
        name: "clock",
        order: "id",
        columns: &[("id", Int), ("at", Int), ("wall", Int)],
        had: "ON CONFLICT DO NOTHING",
    },
];
