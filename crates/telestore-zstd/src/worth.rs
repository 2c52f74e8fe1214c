//! Which files are worth it.

use bytes::Bytes;
use telestore_types::{ByteSource, SourceError};

use crate::frame::compress_frame;

const SAMPLE: usize = 64 * 1024;

/// Files of less than this are not compressed: what is gained is less than what it costs those who open them.
const SMALLEST: u64 = 64 * 1024;

/// What the names of files end with whose bytes are compressed already, or encrypted.
const PACKED: &[&str] = &[
    // Archives, and one file compressed.
    "7z", "ace", "arc", "arj", "br", "bz2", "cab", "gz", "lha", "lz", "lz4", "lzh", "lzma", "lzo", "rar",
    "sz", "tbz", "tbz2", "tgz", "tlz", "txz", "tzst", "xz", "z", "zip", "zipx", "zst", "zstd",
    // Packages and images of disks.
    "aab", "apk", "apks", "appx", "crx", "deb", "dmg", "ear", "ipa", "jar", "msix", "nupkg", "rpm", "snap",
    "squashfs", "vsix", "war", "whl", "xapk", "xpi", // Documents.
    "azw3", "cbr", "cbz", "djvu", "docm", "docx", "epub", "kmz", "mobi", "odg", "odp", "ods", "odt", "pdf",
    "potx", "ppsx", "pptm", "pptx", "vsdx", "xlsb", "xlsm", "xlsx", "xps", // Encrypted.
    "age", "gpg", "kdbx", "pgp", // Pictures.
    "apng", "avif", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "png", "svgz", "webp",
    // Sound.
    "aac", "ac3", "amr", "ape", "dts", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "oga", "ogg", "opus", "spx",
    "wma", "wv", // Video.
    "3g2", "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv",
    "vob", "webm", "wmv", // Fonts.
    "woff", "woff2",
];

/// Pictures that are mostly not compressed.
const OPEN_IMAGES: &[&str] = &[
    "bmp",
    "svg+xml",
    "tiff",
    "vnd.adobe.photoshop",
    "x-bmp",
    "x-ms-bmp",
    "x-portable-anymap",
    "x-portable-bitmap",
    "x-portable-graymap",
    "x-portable-pixmap",
    "x-tga",
    "x-targa",
];

/// Sound that is not compressed.
const OPEN_AUDIO: &[&str] =
    &["aiff", "basic", "l16", "midi", "vnd.wave", "wav", "wave", "x-aiff", "x-midi", "x-wav"];

/// Other content that is compressed already, or encrypted.
const PACKED_APPLICATIONS: &[&str] = &[
    "gzip",
    "java-archive",
    "pdf",
    "pgp-encrypted",
    "vnd.android.package-archive",
    "vnd.debian.binary-package",
    "vnd.ms-cab-compressed",
    "vnd.rar",
    "x-7z-compressed",
    "x-brotli",
    "x-bzip",
    "x-bzip2",
    "x-gzip",
    "x-java-archive",
    "x-lz4",
    "x-lzip",
    "x-lzma",
    "x-rar-compressed",
    "x-rpm",
    "x-xz",
    "x-zip-compressed",
    "x-zstd",
    "zip",
    "zstd",
];

/// Whether a file is not worth a look: it is small, or its name or its type says that it is compressed or encrypted already. Where
/// this says no, [`gains`] looks.
///
/// ```
/// use telestore_zstd::skips;
///
/// let size = 1 << 20;
/// assert!(!skips("report.csv", Some("text/csv"), size));
/// assert!(skips("report.csv", Some("text/csv"), 65_535), "small");
/// assert!(skips("holiday.JPG", None, size));
/// assert!(skips("holiday", Some("image/jpeg"), size));
/// assert!(!skips("scan.tiff", Some("image/tiff"), size));
/// ```
pub fn skips(file_name: &str, mime_type: Option<&str>, size: u64) -> bool {
    size < SMALLEST || is_packed_name(file_name) || mime_type.is_some_and(is_packed_type)
}

fn is_packed_name(file_name: &str) -> bool {
    let mut name = file_name;
    // A volume of an archive: `photos.7z.001`.
    if let Some((whole, number)) = name.rsplit_once('.')
        && (2..=4).contains(&number.len())
        && number.bytes().all(|digit| digit.is_ascii_digit())
    {
        name = whole;
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| PACKED.contains(&ending.as_str()))
}

fn is_packed_type(mime_type: &str) -> bool {
    let mime_type = mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime_type.split_once('/') {
        Some(("video", _)) => true,
        Some(("image", subtype)) => !OPEN_IMAGES.contains(&subtype),
        Some(("audio", subtype)) => !OPEN_AUDIO.contains(&subtype),
        Some(("application", subtype)) => {
            let zipped = subtype.starts_with("vnd.openxmlformats-officedocument.")
                || subtype.starts_with("vnd.oasis.opendocument.") && !subtype.ends_with("-flat-xml")
                || [("+zip"), ("+gzip"), ("+zstd")].iter().any(|ending| subtype.ends_with(ending));
            zipped || PACKED_APPLICATIONS.contains(&subtype)
        }
        _ => false,
    }
}

/// Whether a sample of a file gains: of 64 KiB each at its start, its middle and its end, at least a tenth. It takes about a
/// millisecond beside the reads.
///
/// # Errors
/// Those of the source; [`SourceError::Io`] if there is no memory.
pub async fn gains(source: &dyn ByteSource) -> Result<bool, SourceError> {
    let (mut plain, mut compressed) = (0, 0);
    for sample in samples(source).await? {
        let failed = |error| SourceError::Io(format!("compression failed: {error}"));
        plain += sample.len();
        compressed += compress_frame(&sample, 1).map_err(failed)?.len();
    }
    Ok(compressed * 10 <= plain * 9 && plain > 0)
}

/// Three samples that do not overlap, or all of a file that is not longer.
async fn samples(source: &dyn ByteSource) -> Result<Vec<Bytes>, SourceError> {
    let (size, sample) = (source.len(), SAMPLE as u64);
    if size <= 3 * sample {
        // No more than three samples.
        return Ok(vec![source.read_at(0, size as usize).await?]);
    }
    let mut samples = Vec::new();
    for offset in [0, (size - sample) / 2, size - sample] {
        samples.push(source.read_at(offset, SAMPLE).await?);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use telestore_types::BytesSource;

    use super::*;
    use crate::testing::{random, text};

    #[test]
    fn names_and_types_of_packed_files_are_known() {
        for name in
            ["a.zip", "a.tar.gz", "A.PDF", "a.docx", "a.zst", "a.age", "a.mp4", "a.7z.001", "a.tar.zst.12"]
        {
            assert!(skips(name, None, SMALLEST), "{name}");
        }
        for name in [
            "",
            "a",
            "zip",
            ".",
            "a.txt",
            "a.csv.001",
            "a.svg",
            "a.bmp",
            "a.wav",
            "a.tar",
            "a.zip.txt",
            "файл.sql",
        ] {
            assert!(!skips(name, None, SMALLEST), "{name}");
        }
        for mime_type in [
            "image/png",
            "Video/MP4",
            "audio/mpeg; x=y",
            "application/pdf",
            "application/zip",
            "application/epub+zip",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.oasis.opendocument.text",
        ] {
            assert!(skips("a", Some(mime_type), SMALLEST), "{mime_type}");
        }
        for mime_type in [
            "",
            "text/plain",
            "image/bmp",
            "image/svg+xml; charset=utf-8",
            "image/tiff",
            "audio/wav",
            "audio/x-aiff",
            "application/json",
            "application/octet-stream",
            "application/x-tar",
            "application/vnd.oasis.opendocument.text-flat-xml",
        ] {
            assert!(!skips("a", Some(mime_type), SMALLEST), "{mime_type}");
        }
        assert!(skips("a.zip", Some("text/plain"), SMALLEST), "either of them says it");
    }

    async fn sampled(bytes: Vec<u8>) -> bool {
        gains(&BytesSource::new(bytes)).await.unwrap()
    }

    #[tokio::test]
    async fn a_sample_tells_what_gains() {
        for size in [SAMPLE, 3 * SAMPLE, 3 * SAMPLE + 1, 2_000_000] {
            assert!(sampled(text(size)).await, "{size}");
            assert!(!sampled(random(size)).await, "{size}");
        }
        assert!(!sampled(Vec::new()).await);
    }

    #[tokio::test]
    async fn start_middle_and_end_are_looked_at() {
        let size = 2_000_000;
        for begin in [0, (size - SAMPLE) / 2, size - SAMPLE] {
            let mut bytes = random(size);
            bytes[begin..begin + SAMPLE].fill(b' ');
            assert!(sampled(bytes).await, "a third of what is seen is empty, at {begin}");
        }
        let mut bytes = random(size);
        bytes[SAMPLE..2 * SAMPLE].fill(b' ');
        assert!(!sampled(bytes).await, "what is elsewhere is not seen");
    }
}
