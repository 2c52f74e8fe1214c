//! The body of a download, of which not a byte more or less is taken than was asked for.

use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderName};
use tokio::time::timeout;

use super::answer::{Broken, another_file, unavailable};
use crate::{Error, ErrorKind};

/// How much is left out of a body whose server knows no ranges. What Telegram's server gives is smaller.
const SKIP_MAX: u64 = 64 * 1024 * 1024;

/// A body that is being read.
pub(super) struct Body {
    response: Response,
    /// What comes before the first byte that is wanted.
    skip: u64,
    /// How many bytes are wanted of it.
    left: u64,
    /// Whether it has to end behind these.
    ends: bool,
}

impl Body {
    /// Of a server that gives a part: that of `range`, or its beginning, of a file of `length` bytes.
    pub(super) fn part(response: Response, range: &Range<u64>, length: u64) -> Result<Self, Broken> {
        let headers = response.headers();
        is_plain(headers)?;
        let said = text(headers, CONTENT_RANGE).and_then(content_range);
        let (part, total) = said.ok_or_else(|| Broken::nonsense("a part that does not say which"))?;
        if total.is_some_and(|total| total != length) {
            return Err(Broken::Final(another_file()));
        }
        let left = part.end.saturating_sub(part.start);
        if part.start != range.start || part.end > range.end || left == 0 {
            return Err(Broken::nonsense("another part than was asked for"));
        }
        if response.content_length().is_some_and(|said| said != left) {
            return Err(Broken::nonsense("a part of another length than it says"));
        }
        Ok(Self { response, skip: 0, left, ends: true })
    }

    /// Of a server that gives all of the file, whatever it was asked for.
    pub(super) fn whole(response: Response, range: &Range<u64>, length: u64) -> Result<Self, Broken> {
        is_plain(response.headers())?;
        if response.content_length().is_some_and(|said| said != length) {
            return Err(Broken::Final(another_file()));
        }
        if range.start > SKIP_MAX {
            let text =
                "the Bot API server gives no ranges of its files, and too much lies in front of this one";
            return Err(Broken::Final(Error::new(ErrorKind::Refused, text)));
        }
        let (left, ends) = (range.end - range.start, range.end == length);
        Ok(Self { response, skip: range.start, left, ends })
    }

    /// Whether all came that was wanted of it.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// What comes next of the bytes that are wanted; nothing if those that came are not.
    pub(super) async fn next(&mut self, idle: Duration) -> Result<Bytes, Broken> {
        let Some(mut bytes) = self.chunk(idle).await? else {
            return Err(Broken::Passing(unavailable("the file ended early")));
        };
        // Of no more than there is.
        let skipped = self.skip.min(bytes.len() as u64);
        bytes.advance(skipped as usize);
        self.skip -= skipped;
        if bytes.len() as u64 > self.left {
            if self.ends {
                return Err(too_long());
            }
            bytes.truncate(self.left as usize);
        }
        self.left -= bytes.len() as u64;
        while self.left == 0 && self.ends {
            match self.chunk(idle).await? {
                None => break,
                Some(more) if more.is_empty() => {}
                Some(_) => return Err(too_long()),
            }
        }
        Ok(bytes)
    }

    async fn chunk(&mut self, idle: Duration) -> Result<Option<Bytes>, Broken> {
        match timeout(idle, self.response.chunk()).await {
            Ok(chunk) => Ok(chunk.map_err(telestore_bot_api::Error::from)?),
            Err(_) => Err(Broken::Passing(unavailable("nothing more of the file comes"))),
        }
    }
}

fn too_long() -> Broken {
    Broken::nonsense("more bytes than the file has")
}

/// Nobody asked to have it packed.
fn is_plain(headers: &HeaderMap) -> Result<(), Broken> {
    match text(headers, CONTENT_ENCODING) {
        None | Some("identity" | "") => Ok(()),
        Some(_) => Err(Broken::nonsense("a packed file")),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `bytes 0-9/100`: the range, and the length of all, if that is said. RFC 9110, 14.4.
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_which_they_are() {
        assert_eq!(content_range("bytes 0-9/100"), Some((0..10, Some(100))));
        assert_eq!(content_range("bytes 5-5/*"), Some((5..6, None)));
        for nonsense in
            ["", "bytes */100", "bytes 5/6", "lines 0-9/100", "bytes 0-18446744073709551615/1", "bytes 0-x/1"]
        {
            assert_eq!(content_range(nonsense), None, "{nonsense}");
        }
    }
}
