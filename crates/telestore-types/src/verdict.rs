/// What a caller may do after an error.
///
/// Each crate's error tells its verdict, so that a caller decides without knowing every kind of error.
///
/// ```
/// use telestore_types::Verdict;
///
/// fn may_try_again(verdict: Verdict) -> bool {
///     verdict == Verdict::Temporary
/// }
/// assert!(!may_try_again(Verdict::Ambiguous), "a second try could be a second message");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Trying again gives the same.
    Permanent,
    /// Nothing was done; try again later.
    Temporary,
    /// It may have been done.
    Ambiguous,
}
