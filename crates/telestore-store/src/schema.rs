/// What the tables of a database are to this version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There are none, or there is no database file: opening the store makes them.
    Missing,
    /// They are of this version.
    Current,
    /// They are of an older version: opening the store brings them up to date.
    Older,
    /// They are of a newer version, or of another program.
    Newer,
}
