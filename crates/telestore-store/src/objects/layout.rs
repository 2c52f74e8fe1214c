//! How the bytes of one blob lie in objects, and the name that tells it.

use std::fmt::Write as _;

use crate::BlobName;

/// The folder of all blobs.
pub(super) const FOLDER: &str = "chunks";

/// How many pieces a blob may have: they are numbered with six digits.
const MOST_PIECES: u64 = 1_000_000;

/// How often the length may change from one piece to the next: a key has 1024 bytes, of which the prefix takes some.
const MOST_RUNS: usize = 64;

/// Pieces of one length that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The bytes of each.
    length: u64,
    count: u64,
}

/// The pieces of a blob: `chunks/<id>/000000`, `chunks/<id>/000001` and so on, and a last one whose own name says how
/// long each is, so that nobody has to be asked. `chunks/<id>/z4194304x12.458752.81920` is the last of fourteen: twelve of
/// 4194304 bytes, one of 458752, and this one of 81920. Its name is the blob's, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    id: String,
    runs: Vec<Run>,
    last: u64,
}

/// One object of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) key: String,
    /// Where it begins in the blob.
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Layout {
    /// A new blob without any piece yet.
    pub(super) fn new() -> Self {
        Self { id: format!("{:032x}", rand::random::<u128>()), runs: Vec::new(), last: 0 }
    }

    /// Its id, which no other blob has.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Adds a piece that is not the last, and gives its key.
    pub(super) fn push(&mut self, length: u64) -> String {
        let key = self.key(self.pieces());
        match self.runs.last_mut() {
            Some(run) if run.length == length => run.count += 1,
            _ => self.runs.push(Run { length, count: 1 }),
        }
        key
    }

    /// Says how long the last piece is, and gives its key.
    pub(super) fn end(&mut self, length: u64) -> String {
        self.last = length;
        self.last_key()
    }

    /// How many pieces there are before the last one.
    pub(super) fn pieces(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Whether the name can tell of another piece.
    pub(super) fn has_room(&self) -> bool {
        self.pieces() < MOST_PIECES && self.runs.len() < MOST_RUNS
    }

    /// How many times the length changes from one piece to the next.
    pub(super) fn changes(&self) -> usize {
        self.runs.len()
    }

    /// How many bytes the blob has.
    pub(super) fn length(&self) -> u64 {
        self.runs.iter().map(|run| run.count * run.length).sum::<u64>() + self.last
    }

    pub(super) fn name(&self) -> BlobName {
        BlobName::new(self.last_key())
    }

    fn key(&self, number: u64) -> String {
        format!("{FOLDER}/{}/{number:06}", self.id)
    }

    pub(super) fn last_key(&self) -> String {
        let mut key = format!("{FOLDER}/{}/z", self.id);
        for run in &self.runs {
            // Writing to text cannot fail.
            let _ = match run.count {
                1 => write!(key, "{}.", run.length),
                count => write!(key, "{}x{count}.", run.length),
            };
        }
        let _ = write!(key, "{}", self.last);
        key
    }

    /// The keys of all pieces.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        (0..self.pieces()).map(|number| self.key(number)).chain([self.last_key()])
    }

    /// The piece that holds the byte at `offset`.
    pub(super) fn piece_at(&self, offset: u64) -> Option<Piece> {
        let (mut start, mut number) = (0, 0);
        for run in &self.runs {
            let length = run.length;
            let end = start + length * run.count;
            if offset < end {
                let skipped = (offset - start) / length;
                let (key, start) = (self.key(number + skipped), start + skipped * length);
                return Some(Piece { key, start, length });
            }
            (start, number) = (end, number + run.count);
        }
        let is_last = offset < start + self.last;
        is_last.then(|| Piece { key: self.last_key(), start, length: self.last })
    }

    /// What a name says; `None` if it is not one of these.
    pub(super) fn parse(name: &BlobName) -> Option<Self> {
        let (id, last_key) = split(name.as_str())?;
        let mut parts: Vec<&str> = last_key.strip_prefix('z')?.split('.').collect();
        let last = number(parts.pop()?)?;
        let runs = parts.into_iter().map(|run| {
            let (length, count) = run.split_once('x').unwrap_or((run, "1"));
            Some(Run { length: number(length)?, count: number(count)? })
        });
        let runs = runs.collect::<Option<Vec<_>>>()?;
        // What was made here is far below; no sum of it overflows.
        let is_sane =
            |run: &Run| (1..1 << 32).contains(&run.length) && (1..=MOST_PIECES).contains(&run.count);
        let layout = Self { id: id.to_owned(), runs, last };
        (layout.runs.len() <= MOST_RUNS && layout.runs.iter().all(is_sane) && last < 1 << 48)
            .then_some(layout)
    }
}

/// The id and the rest of a key of a piece: nothing else in the folder is the store's.
pub(super) fn split(key: &str) -> Option<(&str, &str)> {
    let (id, rest) = key.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('/')?;
    let is_last = rest.starts_with('z');
    (is_id(id) && (is_last || (rest.len() == 6 && number(rest).is_some()))).then_some((id, rest))
}

/// The id in the name of a blob of which the last piece is not there: `chunks/<id>`.
pub(super) fn unfinished(name: &BlobName) -> Option<&str> {
    name.as_str().strip_prefix(FOLDER)?.strip_prefix('/').filter(|id| is_id(id))
}

/// The name of a blob of which the last piece is not there.
pub(super) fn unfinished_name(id: &str) -> BlobName {
    BlobName::new(format!("{FOLDER}/{id}"))
}

/// A key behind all pieces of the blob with this name, and before those of the next.
pub(super) fn behind(name: &BlobName) -> Option<String> {
    let id = unfinished(name).or_else(|| split(name.as_str()).map(|(id, _)| id))?;
    Some(format!("{FOLDER}/{id}/zz"))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(pieces: &[u64], last: u64) -> Layout {
        let mut layout = Layout::new();
        for length in pieces {
            layout.push(*length);
        }
        layout.end(last);
        layout
    }

    #[test]
    fn a_name_tells_where_each_byte_is() {
        for (pieces, last, name) in [
            (&[][..], 0, "z0"),
            (&[], 81920, "z81920"),
            (&[64_000, 64_000, 64_000, 7, 20_000, 20_000], 5, "z64000x3.7.20000x2.5"),
        ] {
            let layout = layout(pieces, last);
            assert_eq!(layout.name().as_str(), format!("chunks/{}/{name}", layout.id()));
            assert_eq!(Layout::parse(&layout.name()), Some(layout.clone()));
            let mut at = 0;
            for (number, length) in pieces.iter().copied().chain([last]).enumerate() {
                let key = layout.keys().nth(number).unwrap();
                for offset in (at..at + length).step_by(10_000).chain((at + length).checked_sub(1)) {
                    if offset >= at {
                        let piece = Piece { key: key.clone(), start: at, length };
                        assert_eq!(layout.piece_at(offset), Some(piece));
                    }
                }
                at += length;
            }
            assert_eq!((layout.length(), layout.piece_at(at)), (at, None));
            assert_eq!(layout.keys().count(), pieces.len() + 1);
        }
    }

    #[test]
    fn keys_stand_in_order_and_before_the_next_blob() {
        let layout = layout(&[1; 12], 9);
        let keys: Vec<String> = layout.keys().collect();
        assert!(keys.is_sorted());
        let behind = behind(&layout.name()).unwrap();
        assert_eq!(super::behind(&unfinished_name(layout.id())).as_ref(), Some(&behind));
        assert!(keys.iter().all(|key| *key < behind && split(key).unwrap().0 == layout.id()));
    }

    #[test]
    fn other_names_are_none_of_its() {
        let id = "0123456789abcdef0123456789abcdef";
        let names = [
            "".to_owned(),
            "chunks/5/00000-0123456789abcdef".to_owned(),
            format!("chunks/{id}"),
            format!("chunks/{id}/z"),
            format!("chunks/{id}/z-1"),
            format!("chunks/{id}/z0x3.1"),
            format!("chunks/{id}/z1x18446744073709551615.1"),
            format!("chunks/{id}/z18446744073709551615"),
            format!("chunks/{}/z1", id.to_uppercase()),
            format!("spool/{id}/z1"),
        ];
        for name in names {
            assert_eq!(Layout::parse(&BlobName::new(&name)), None, "{name}");
        }
    }
}
