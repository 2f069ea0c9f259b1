//! How much memory guests may use on this machine: three quarters of what the machine has, or of what its container may
//! use, whichever is less.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

const KIB: u64 = 1 << 10;

/// What guests may use; `None` where the system does not say how much there is.
pub(crate) fn for_guests() -> Option<NonZeroU64> {
    let machine = read(Path::new("/proc/meminfo")).as_deref().and_then(of_machine);
    let own = read(Path::new("/proc/self/cgroup")).as_deref().and_then(cgroup);
    let roots = [Some(PathBuf::from("/sys/fs/cgroup")), own].into_iter().flatten();
    let containers = roots.filter_map(|path| of_container(&read(&path.join("memory.max"))?));
    NonZeroU64::new(machine.into_iter().chain(containers).min()? / 4 * 3)
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemTotal:  16384 kB` among other lines.
fn of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(KIB)
}

/// `0::/path`: where this process is in the one tree of control groups.
fn cgroup(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path))
}

/// A number of bytes, or `max`.
fn of_container(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(of_machine("MemTotal:       24576 kB\nMemFree: 1 kB\n"), Some(24 << 20));
        assert_eq!(of_machine("MemFree: 1 kB\n"), None);
        assert_eq!(
            cgroup("0::/system.slice/insula.service\n").unwrap(),
            Path::new("/sys/fs/cgroup/system.slice/insula.service")
        );
        assert_eq!((of_container("1048576\n"), of_container("max\n")), (Some(1 << 20), None));
    }
}
