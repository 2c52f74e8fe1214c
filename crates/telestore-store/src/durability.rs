/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A killed process: the system has the bytes.
    #[default]
    Process,
    /// A power cut: the disk has the bytes before the acknowledgement.
    Disk,
}
