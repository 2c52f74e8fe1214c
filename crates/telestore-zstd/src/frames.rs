use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use telestore_types::{ByteSource, SourceError};

use crate::frame::{FRAME_SIZE, checksum_of, compress_frame};
use crate::mark::{Mark, Parameters};
use crate::table::{MAX_FRAMES, table_of, table_size};

/// What a scan of a file found: how long each frame is once it is compressed, how long the compressed file is, and its SHA-256. The
/// compressed bytes themselves are not kept. It takes 20 bytes of memory for each MiB of the plain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    parameters: Parameters,
    plain_len: u64,
    /// Where each frame ends, compressed.
    ends: Vec<u64>,
    /// The checksum of the plain bytes of each frame.
    checksums: Vec<u32>,
    /// The seek table, as it stands behind the frames.
    table: Bytes,
    sha256: [u8; 32],
}

impl Frames {
    /// Compresses a file once and keeps what is needed to make it again. `None` if it does not come out smaller, or if it has more
    /// than [`MAX_FRAMES`] frames; a file without bytes never comes out smaller.
    ///
    /// `level` is one of [`LEVELS`](crate::LEVELS), or else the nearest of them counts. `progress` hears how many plain bytes are
    /// done, after each frame. Frames are compressed one by one in the pool of tokio's blocking threads, while the next one is
    /// read. It takes 4 MiB of memory beside what is kept. A scan that is dropped ends with the frame that it is at.
    ///
    /// # Errors
    /// That of the source; [`SourceError::Io`] if there is no memory, or the runtime goes down.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub async fn scan(
        source: Arc<dyn ByteSource>,
        level: i32,
        progress: impl FnMut(u64) + Send,
    ) -> Result<Option<Self>, SourceError> {
        let scan = Scan::new(level, source.len());
        scan.run(&*source, progress, |compressed, plain| compressed < plain).await
    }

    /// What tells the compressed file from others. A caller keeps it, and compares after a restart.
    pub fn mark(&self) -> Mark {
        Mark::new(self.parameters, self.compressed_len(), self.sha256)
    }

    /// Whether this is the file of the mark: byte by byte the same.
    pub fn matches(&self, mark: &Mark) -> bool {
        self.mark() == *mark
    }

    /// The length of the plain file in bytes.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// The length of the compressed file in bytes, with its seek table.
    pub fn compressed_len(&self) -> u64 {
        self.table_begin() + self.table.len() as u64
    }

    /// The SHA-256 of the compressed file, with its seek table.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The level that the file is compressed with.
    pub fn level(&self) -> i32 {
        self.parameters.level()
    }

    /// How many frames there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Where the seek table begins, which is behind the last frame.
    pub(crate) fn table_begin(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(crate) fn table(&self) -> &Bytes {
        &self.table
    }

    /// The number of the frame that has a byte of the compressed file, if that is not of the seek table.
    pub(crate) fn frame_at(&self, offset: u64) -> Option<usize> {
        let index = self.ends.partition_point(|end| *end <= offset);
        (index < self.ends.len()).then_some(index)
    }

    /// Where a frame is in the compressed file.
    pub(crate) fn compressed_range(&self, index: usize) -> Range<u64> {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        begin..self.ends[index]
    }

    /// Which bytes of the plain file a frame has.
    pub(crate) fn plain_range(&self, index: usize) -> Range<u64> {
        plain_range(index, self.plain_len)
    }

    /// Whether these bytes are the frame of this number, as far as its length and its checksum tell.
    pub(crate) fn is_frame(&self, index: usize, frame: &[u8]) -> bool {
        let range = self.compressed_range(index);
        frame.len() as u64 == range.end - range.start && checksum_of(frame) == self.checksums[index]
    }
}

fn plain_range(index: usize, plain_len: u64) -> Range<u64> {
    let begin = index as u64 * FRAME_SIZE as u64;
    begin..plain_len.min(begin + FRAME_SIZE as u64)
}

/// Reads the plain bytes of a frame. There are none behind the end.
pub(crate) async fn read_plain(source: &dyn ByteSource, range: Range<u64>) -> Result<Bytes, SourceError> {
    if range.start >= range.end {
        return Ok(Bytes::new());
    }
    // No more than a frame.
    let length = (range.end - range.start) as usize;
    let plain = source.read_at(range.start, length).await?;
    if plain.len() != length {
        return Err(SourceError::Damaged(format!("{} bytes came of {length}", plain.len())));
    }
    Ok(plain)
}

/// Runs what takes long where it holds up nothing else.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SourceError::Io(format!("compression did not end: {error}")))?
        .map_err(|error| SourceError::Io(format!("compression failed: {error}")))
}

/// A scan that is under way.
struct Scan {
    parameters: Parameters,
    plain_len: u64,
    count: u64,
    /// Compressed length and checksum of each frame.
    done: Vec<(u32, u32)>,
    compressed: u64,
    hash: Sha256,
}

impl Scan {
    fn new(level: i32, plain_len: u64) -> Self {
        let (count, hash) = (plain_len.div_ceil(FRAME_SIZE as u64), Sha256::new());
        Self { parameters: Parameters::of(level), plain_len, count, done: Vec::new(), compressed: 0, hash }
    }

    /// `worth` is asked about the compressed and the plain length, as soon as the former cannot be smaller.
    async fn run(
        mut self,
        source: &dyn ByteSource,
        mut progress: impl FnMut(u64) + Send,
        worth: impl Fn(u64, u64) -> bool + Send,
    ) -> Result<Option<Frames>, SourceError> {
        let (count, plain_len) = (self.count as usize, self.plain_len);
        let table = table_size(count) as u64;
        if count > MAX_FRAMES || !worth(table, plain_len) {
            return Ok(None);
        }
        let mut next = read_plain(source, plain_range(0, plain_len)).await?;
        for index in 0..count {
            let plain = std::mem::take(&mut next);
            let following = read_plain(source, plain_range(index + 1, plain_len));
            let (scan, following) = futures_util::future::join(self.compress(plain), following).await;
            self = scan?;
            progress(plain_range(index, plain_len).end);
            if !worth(self.compressed + table, plain_len) {
                return Ok(None);
            }
            next = following?;
        }
        Ok(Some(self.end()))
    }

    async fn compress(mut self, plain: Bytes) -> Result<Self, SourceError> {
        aside(move || {
            let frame = compress_frame(&plain, self.parameters.level())?;
            self.hash.update(&frame);
            self.compressed += frame.len() as u64;
            // A frame of 1 MiB is never longer than 4 GiB.
            self.done.push((frame.len() as u32, checksum_of(&frame)));
            Ok(self)
        })
        .await
    }

    fn end(mut self) -> Frames {
        let plain = |index| plain_range(index, self.plain_len);
        let plain = |index| (plain(index).end - plain(index).start) as u32;
        let lengths =
            self.done.iter().enumerate().map(|(index, (compressed, _))| (*compressed, plain(index)));
        let table = table_of(lengths);
        self.hash.update(&table);
        let mut end = 0;
        let ends = self.done.iter().map(|(length, _)| {
            end += u64::from(*length);
            end
        });
        Frames {
            parameters: self.parameters,
            plain_len: self.plain_len,
            ends: ends.collect(),
            checksums: self.done.iter().map(|(_, checksum)| *checksum).collect(),
            table: table.into(),
            sha256: self.hash.finalize().into(),
        }
    }
}

/// Scans a file whatever comes out.
#[cfg(test)]
pub(crate) async fn scan_anyway(source: Arc<dyn ByteSource>, level: i32) -> Result<Frames, SourceError> {
    let scan = Scan::new(level, source.len());
    Ok(scan.run(&*source, |_| {}, |_, _| true).await?.expect("not too many frames"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use telestore_types::BytesSource;

    use super::*;
    use crate::DEFAULT_LEVEL;
    use crate::testing::{mixed, random, text};

    async fn scan(plain: Vec<u8>) -> Option<Frames> {
        Frames::scan(Arc::new(BytesSource::new(plain)), DEFAULT_LEVEL, |_| {}).await.unwrap()
    }

    #[tokio::test]
    async fn what_does_not_come_out_smaller_is_no_gain() {
        for plain in [Vec::new(), text(1), text(40), random(65_537), random(2 * FRAME_SIZE + 1)] {
            assert_eq!(scan(plain.clone()).await, None, "{} bytes", plain.len());
        }
        for plain in [vec![0; 100], text(65_537), text(2 * FRAME_SIZE + 1), mixed(2 * FRAME_SIZE + 1)] {
            let length = plain.len() as u64;
            let frames = scan(plain).await.unwrap();
            assert!(frames.compressed_len() < length);
            assert_eq!(frames.plain_len(), length);
        }
    }

    #[tokio::test]
    async fn progress_goes_up_to_the_end() {
        let (source, mut heard) = (BytesSource::new(text(2 * FRAME_SIZE + 7)), Vec::new());
        Frames::scan(Arc::new(source), 1, |done| heard.push(done)).await.unwrap().unwrap();
        let frame = FRAME_SIZE as u64;
        assert_eq!(heard, [frame, 2 * frame, 2 * frame + 7]);
    }

    #[tokio::test]
    async fn the_mark_tells_level_and_bytes_apart() {
        let plain = text(FRAME_SIZE + 5);
        let frames = scan(plain.clone()).await.unwrap();
        let mark = frames.mark();
        assert!(mark.is_current() && frames.matches(&mark));
        assert_eq!((mark.len(), mark.sha256()), (frames.compressed_len(), frames.sha256()));
        assert!(scan(plain.clone()).await.unwrap().matches(&mark), "a second scan finds the same");

        let level =
            Frames::scan(Arc::new(BytesSource::new(plain.clone())), 1, |_| {}).await.unwrap().unwrap();
        assert!(!level.matches(&mark));
        let mut other = plain;
        other[FRAME_SIZE + 2] ^= 1;
        assert!(!scan(other).await.unwrap().matches(&mark));
    }

    #[tokio::test]
    async fn a_level_that_there_is_not_is_the_nearest() {
        for (asked, level) in [(-7, 1), (0, 1), (1, 1), (19, 19), (100, 19)] {
            let source = Arc::new(BytesSource::new(text(5000)));
            let frames = Frames::scan(source, asked, |_| {}).await.unwrap().unwrap();
            assert_eq!(frames.level(), level);
        }
    }

    /// Random bytes at first, which are counted; fails behind them.
    #[derive(Debug)]
    struct Failing {
        reads: AtomicUsize,
        length: u64,
        good: usize,
    }

    #[async_trait]
    impl ByteSource for Failing {
        fn len(&self) -> u64 {
            self.length
        }

        async fn read_at(&self, _: u64, length: usize) -> Result<Bytes, SourceError> {
            if self.reads.fetch_add(1, Ordering::Relaxed) < self.good {
                return Ok(random(length).into());
            }
            Err(SourceError::Io("no disk".into()))
        }
    }

    #[tokio::test]
    async fn an_error_of_the_source_ends_the_scan() {
        let length = 9 * FRAME_SIZE as u64;
        let source = Arc::new(Failing { reads: AtomicUsize::new(0), length, good: 2 });
        let failed = Frames::scan(source.clone(), 1, |_| {}).await;
        assert_eq!(failed, Err(SourceError::Io("no disk".into())));
        assert_eq!(source.reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn more_frames_than_a_table_holds_are_not_begun() {
        let length = (MAX_FRAMES as u64) * FRAME_SIZE as u64 + 1;
        let source = Arc::new(Failing { reads: AtomicUsize::new(0), length, good: 0 });
        assert_eq!(Frames::scan(source.clone(), 1, |_| {}).await, Ok(None));
        assert_eq!(source.reads.load(Ordering::Relaxed), 0);
    }
}
