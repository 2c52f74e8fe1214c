//! Walks over what Telegram sends without making objects of it.
//!
//! What a reader that recurses would do on its stack, with one object in memory for each of a few bytes, is done here with
//! a list of what is open: the depth has a limit, and whatever the bytes say, nothing is allocated for them.

use super::schema::{Constructor, FLAGS_MAX, Kind, TypeId, constructor};

/// How deep objects may lie in each other, vectors counted. Articles have some twenty.
const DEPTH_MAX: usize = 128;

const VECTOR: u32 = 0x1cb5_c415;

/// What was read, or why it cannot be.
pub type Result<T = (), E = String> = std::result::Result<T, E>;

/// What is being walked over.
enum Open {
    Object { of: &'static Constructor, next: usize, flags: [u32; FLAGS_MAX] },
    Vector { of: &'static Kind, left: u32 },
}

/// Takes what `kind` says from the front of `from`.
pub(super) fn take_kind<'b>(kind: &'static Kind, from: &mut &'b [u8]) -> Result<&'b [u8]> {
    let start = *from;
    let mut open = Vec::new();
    begin(kind, from, &mut open)?;
    while let Some(innermost) = open.last_mut() {
        match innermost.next(from)? {
            Some(kind) => begin(kind, from, &mut open)?,
            None => drop(open.pop()),
        }
    }
    Ok(&start[..start.len() - from.len()])
}

fn begin(kind: &'static Kind, from: &mut &[u8], open: &mut Vec<Open>) -> Result {
    match kind {
        Kind::True | Kind::Flags(_) => {}
        Kind::Fixed(length) => drop(take_bytes(from, *length)?),
        Kind::Text => drop(take_text(from)?),
        Kind::Object(of) => {
            let of = take_constructor(*of, from)?;
            open.push(Open::Object { of, next: 0, flags: [0; FLAGS_MAX] });
        }
        Kind::Vector(of) => match (take_count(from)?, &**of) {
            (count, Kind::Fixed(length)) => drop(take_bytes(from, (count as usize).saturating_mul(*length))?),
            (left, of) => open.push(Open::Vector { of, left }),
        },
    }
    if open.len() > DEPTH_MAX { Err("it is nested too deep".to_owned()) } else { Ok(()) }
}

impl Open {
    /// What comes next in it.
    fn next(&mut self, from: &mut &[u8]) -> Result<Option<&'static Kind>> {
        match self {
            Self::Object { of, next, flags } => {
                while let Some(field) = of.fields.get(*next) {
                    *next += 1;
                    match &field.kind {
                        Kind::Flags(index) => flags[*index] = word(from)?,
                        kind if is_there(field.flag, flags) => return Ok(Some(kind)),
                        _ => {}
                    }
                }
                Ok(None)
            }
            Self::Vector { of, left } => {
                let more = left.checked_sub(1);
                *left = more.unwrap_or(0);
                Ok(more.map(|_| *of))
            }
        }
    }
}

/// Whether a field is there.
pub(super) fn is_there(flag: Option<(usize, u32)>, flags: &[u32; FLAGS_MAX]) -> bool {
    flag.is_none_or(|(index, bit)| flags[index] & 1 << bit != 0)
}

/// Takes the constructor of an object, which must be one of its type.
pub(super) fn take_constructor(of: TypeId, from: &mut &[u8]) -> Result<&'static Constructor> {
    let id = word(from)?;
    let known = constructor(id).filter(|constructor| constructor.of == of);
    known.ok_or_else(|| format!("constructor {id:08x} is not expected"))
}

/// Takes the beginning of a vector, and gives how many elements it says to have.
pub(super) fn take_count(from: &mut &[u8]) -> Result<u32> {
    match word(from)? {
        VECTOR => word(from),
        id => Err(format!("constructor {id:08x} is not expected")),
    }
}

/// Takes TL's `string` or `bytes`: a length of one byte, or of three behind 254, and zeros up to a multiple of four.
pub(crate) fn take_text<'b>(from: &mut &'b [u8]) -> Result<&'b [u8]> {
    let (head, length) = match from.first_chunk() {
        Some(&[254, a, b, c]) => (4, u32::from_le_bytes([a, b, c, 0]) as usize),
        Some(&[length @ ..254, ..]) => (1, usize::from(length)),
        _ => return Err("it is cut off".to_owned()),
    };
    take_bytes(from, (head + length).next_multiple_of(4)).map(|all| &all[head..head + length])
}

pub(crate) fn take_bytes<'b>(from: &mut &'b [u8], length: usize) -> Result<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length).ok_or("it is cut off")?;
    *from = rest;
    Ok(taken)
}

pub(crate) fn word(from: &mut &[u8]) -> Result<u32> {
    take(from).map(u32::from_le_bytes)
}

pub(crate) fn number(from: &mut &[u8]) -> Result<i64> {
    take(from).map(i64::from_le_bytes)
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = from.split_first_chunk().ok_or("it is cut off")?;
    *from = rest;
    Ok(*taken)
}
