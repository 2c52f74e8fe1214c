use std::io;
use std::path::Path;

/// What kind of file system a directory is on, as far as it matters to a database.
///
/// SQLite's write-ahead log shares memory between its connections and locks parts of its file. ["WAL does not work over a
/// network filesystem"](https://sqlite.org/wal.html), and locks of remote or foreign file systems are [often
/// broken](https://sqlite.org/howtocorrupt.html).
///
/// ```
/// use telestore_store::FileSystem;
///
/// // `NFS_SUPER_MAGIC` of `statfs(2)`.
/// assert_eq!(FileSystem::of_type(0x6969), FileSystem::Network("NFS"));
/// assert_eq!(FileSystem::of_type(0xef53), FileSystem::Local); // ext4
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// On this machine, or nobody knows of anything against it.
    Local,
    /// On another machine, by this protocol: not for a database.
    Network(&'static str),
    /// Some of these keep memory shared and locks as a database needs them, some do not.
    Doubtful(&'static str),
}

impl FileSystem {
    /// The one that `dir` is on. Elsewhere than on Linux it is always [`Local`](Self::Local).
    ///
    /// # Errors
    /// If the system does not tell, as when there is no such directory.
    #[cfg(target_os = "linux")]
    pub fn of(dir: &Path) -> io::Result<Self> {
        let found = rustix::fs::statfs(dir)?;
        // The width and the sign of the type differ between machines; all types have 32 bits.
        Ok(Self::of_type((i128::from(found.f_type) & 0xffff_ffff) as u32))
    }

    /// Always [`Local`](Self::Local): this system does not tell.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_: &Path) -> io::Result<Self> {
        Ok(Self::Local)
    }

    /// By the `f_type` of Linux's [`statfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html) (`linux/magic.h`).
    pub const fn of_type(magic: u32) -> Self {
        match magic {
            0x6969 => Self::Network("NFS"),
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => Self::Network("SMB"),
            0x5346_414f | 0x6b41_4653 => Self::Network("AFS"),
            0x564c => Self::Network("NCP"),
            0x7375_7245 => Self::Network("Coda"),
            0x6573_5546 => Self::Doubtful("FUSE"),
            0x0102_1997 => Self::Doubtful("9P"),
            0x00c3_6400 => Self::Doubtful("Ceph"),
            0x0bd0_0bd0 => Self::Doubtful("Lustre"),
            0x4750_4653 => Self::Doubtful("GPFS"),
            0x786f_4256 => Self::Doubtful("VirtualBox's shared folders"),
            0xbacb_acbc => Self::Doubtful("VMware's shared folders"),
            _ => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_judged() {
        for (magic, expected) in [
            (0x6969, FileSystem::Network("NFS")),
            (0xff53_4d42, FileSystem::Network("SMB")),
            (0xfe53_4d42, FileSystem::Network("SMB")),
            (0x6573_5546, FileSystem::Doubtful("FUSE")),
            (0x0102_1997, FileSystem::Doubtful("9P")),
            // ext4, XFS, Btrfs, overlayfs, tmpfs, ZFS.
            (0xef53, FileSystem::Local),
            (0x5846_5342, FileSystem::Local),
            (0x9123_683e, FileSystem::Local),
            (0x794c_7630, FileSystem::Local),
            (0x0102_1994, FileSystem::Local),
            (0x2fc1_2fc1, FileSystem::Local),
        ] {
            assert_eq!(FileSystem::of_type(magic), expected, "{magic:#x}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_on_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FileSystem::of(dir.path()).is_ok());
        assert_eq!(FileSystem::of(&dir.path().join("none")).is_err(), cfg!(target_os = "linux"));
    }
}
