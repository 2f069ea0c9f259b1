//! What this machine has of what a host rests on: for `insula doctor`. A host tries all of it itself when it starts (B5);
//! this says beforehand what it would find, and never more than the system tells an ordinary user.

use std::path::Path;

use crate::build::tools::Found;
use crate::terminal;

use super::memory;

const KERNEL: &str = "use a Linux kernel of 5.13 or newer, with `landlock` among its security modules (`lsm=`)";

/// Everything that is looked at.
pub(crate) fn examine() -> Vec<Found> {
    let mut found = vec![machine()];
    if cfg!(target_os = "linux") {
        found.extend([kernel(), landlock(read("/sys/kernel/security/lsm").as_deref())]);
        found.push(seccomp(read("/proc/sys/kernel/seccomp/actions_avail").as_deref()));
        found.push(cgroup());
    }
    found
}

fn machine() -> Found {
    let here = format!("{} {}", std::env::consts::ARCH, std::env::consts::OS);
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Found::here("machine", here);
    }
    Found::missing("machine", here, "run `insula serve` on x86_64 Linux; everything else works here")
}

fn kernel() -> Found {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    Found::here("kernel", release.trim())
}

fn landlock(modules: Option<&str>) -> Found {
    match modules {
        Some(modules) if modules.split(',').any(|module| module.trim() == "landlock") => {
            Found::here("landlock", "on: a host gives up files and network")
        }
        Some(modules) => Found::missing("landlock", format!("off: the kernel has {}", modules.trim()), KERNEL),
        // Nothing is wrong as far as can be seen.
        None => Found::here("landlock", "the system does not say; `insula serve` tries it at its start"),
    }
}

fn seccomp(actions: Option<&str>) -> Found {
    match actions {
        Some(actions) if actions.contains("kill_process") => Found::here("seccomp", "on: compile workers are filtered"),
        _ => Found::missing("seccomp", "off", "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn cgroup() -> Found {
    match memory::for_guests() {
        Some(bytes) => Found::here("memory", format!("{} for guests", terminal::bytes(bytes.get()))),
        None => Found::missing("memory", "the system does not say how much there is", "mount /proc"),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(path)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_itself_is_read() {
        assert!(landlock(Some("capability,landlock,yama\n")).ok);
        let off = landlock(Some("capability,yama\n"));
        assert!(!off.ok && off.state.contains("capability,yama") && off.fix.contains("5.13"), "{off:?}");
        assert!(landlock(None).state.contains("insula serve"));
        assert!(seccomp(Some("kill_process kill_thread trap\n")).ok && !seccomp(None).ok);
    }
}
