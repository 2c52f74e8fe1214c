//! What the worker says of itself to those who operate it.

use telestore::store::WorkerInfo;

/// What this program says of itself.
pub(crate) fn of_this() -> WorkerInfo {
    let info = WorkerInfo::of_version(env!("CARGO_PKG_VERSION"));
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) if !host.trim().is_empty() => info.on_host(host.trim()),
        _ => info,
    }
}
