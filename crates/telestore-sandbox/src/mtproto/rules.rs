//! Telegram's rules for parts, by the names of the errors they give.

use super::rpc_error::RpcError;

/// The largest part.
pub(crate) const PART_MAX: usize = 512 * 1024;
/// What `upload.saveFilePart` takes; larger files go by `upload.saveBigFilePart`.
pub(crate) const SMALL_FILE_MAX: u64 = 10 * 1024 * 1024;

/// What is wrong with a part by itself, if a file may have so many.
pub(crate) fn check_part(index: i32, len: usize, most: i32) -> Result<(), RpcError> {
    match () {
        () if len == 0 => Err(RpcError::bad_request("FILE_PART_EMPTY")),
        () if len > PART_MAX => Err(RpcError::bad_request("FILE_PART_TOO_BIG")),
        () if !(0..most).contains(&index) => Err(RpcError::bad_request("FILE_PART_INVALID")),
        () => Ok(()),
    }
}

/// What is wrong with a count of parts. -1 is a file whose length its sender does not know yet.
pub(crate) fn check_total(index: i32, total: i32, most: i32) -> Result<(), RpcError> {
    match total {
        -1 => Ok(()),
        total if !(1..=most).contains(&total) => Err(RpcError::bad_request("FILE_PARTS_INVALID")),
        total if index < total => Ok(()),
        _ => Err(RpcError::bad_request("FILE_PART_INVALID")),
    }
}

/// Whether a part that is not the last one may have this size.
pub(crate) fn is_part_size(len: usize) -> bool {
    len > 0 && len.is_multiple_of(1024) && PART_MAX.is_multiple_of(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(result: Result<(), RpcError>) -> String {
        result.err().map(|error| error.name).unwrap_or_default()
    }

    #[test]
    fn part_sizes_divide_half_a_mebibyte() {
        assert!([1024, 32 * 1024, 128 * 1024, 512 * 1024].into_iter().all(is_part_size));
        assert!(![0, 512, 1000, 3 * 1024, 1024 * 1024].into_iter().any(is_part_size));
    }

    #[test]
    fn a_part_is_refused_by_telegrams_names() {
        const MOST: i32 = 4000;
        assert_eq!(name(check_part(0, 0, MOST)), "FILE_PART_EMPTY");
        assert_eq!(name(check_part(0, PART_MAX + 1, MOST)), "FILE_PART_TOO_BIG");
        assert_eq!(name(check_part(-1, 1, MOST)), "FILE_PART_INVALID");
        assert_eq!(name(check_part(MOST, 1, MOST)), "FILE_PART_INVALID");
        assert_eq!(name(check_part(MOST - 1, PART_MAX, MOST)), "");
        assert_eq!(name(check_total(0, 0, MOST)), "FILE_PARTS_INVALID");
        assert_eq!(name(check_total(0, MOST + 1, MOST)), "FILE_PARTS_INVALID");
        assert_eq!(name(check_total(3, 3, MOST)), "FILE_PART_INVALID");
        assert_eq!(name(check_total(2, 3, MOST)), "");
    }
}
