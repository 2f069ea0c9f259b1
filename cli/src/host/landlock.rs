//! Landlock for a host: after it, this process reaches its data directory, what starting a compile worker takes, and the
//! connections that it accepts. A bug in the engine that lets a guest out then finds no file, no program and no network.
//!
//! Landlock holds for the thread that asks for it and for what that thread starts. So it is asked for while there is one
//! thread: the async runtime, its blocking threads, the guest threads and the compile workers all come later and are held
//! by it. That it bites is tried at once (B5). Reasons: docs/decisions/0016-compile-worker-and-landlock.md.

use insula_runtime::Check;

/// The check in readiness.
const CHECK: &str = "landlock";

/// Why a host is not shut in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Off {
    /// `--no-landlock`, or `landlock = false`.
    Told,
    /// The command also builds agents, watches folders and writes the profile.
    Builds,
}

impl Off {
    pub(crate) fn check(self) -> Check {
        let detail = match self {
            Self::Told => "off: this host was told so",
            Self::Builds => "off: this command also builds agents; `insula serve` has it on",
        };
        Check { name: CHECK, passed: true, detail: detail.to_owned() }
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::shut_in;

#[cfg(not(target_os = "linux"))]
pub(crate) fn shut_in(_: &std::path::Path) -> anyhow::Result<Check> {
    Ok(Check { name: CHECK, passed: true, detail: "not on this system".to_owned() })
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeSet;
    use std::fs::{self, DirBuilder, File};
    use std::io;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::os::unix::fs::DirBuilderExt;
    use std::path::{Path, PathBuf};

    use anyhow::Context;
    use insula_runtime::Check;
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreated, RulesetCreatedAttr, Scope, make_bitflags,
    };

    use super::CHECK;

    /// The newest version of Landlock's interface whose rights are taken away here. An older kernel takes away those that
    /// it knows.
    const KNOWN: ABI = ABI::V10;
    /// Since this version, ports are among the rights.
    const PORTS_SINCE: i32 = 4;

    /// What is done in a data directory. No programs, devices, sockets, pipes or symbolic links.
    const IN_DATA: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
    });

    /// Shuts this process in, as far as the kernel can. Listeners are bound before it, and nothing is bound after it.
    ///
    /// # Errors
    ///
    /// When the kernel has Landlock, and refused it or does not enforce it.
    pub(crate) fn shut_in(data: &Path) -> anyhow::Result<Check> {
        let threads = fs::read_dir("/proc/self/task").context("cannot count the threads of this process")?.count();
        anyhow::ensure!(threads == 1, "there are {threads} threads already, which would stay outside");
        // It must be there to be named. Whether it can be a data directory is for the store to say.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(data);
        let rules = rules(data).context("cannot name what a host needs")?;
        let status = rules.no_new_privs(true).restrict_self()?;
        let LandlockStatus::Available { effective_abi, kernel_abi } = status.landlock else {
            let why = if status.landlock == LandlockStatus::NotEnabled { "switched off" } else { "not" };
            return Ok(Check { name: CHECK, passed: true, detail: format!("{why} on this kernel") });
        };
        let abi = kernel_abi.unwrap_or(effective_abi as i32);
        let open = still_open(abi);
        anyhow::ensure!(open.is_empty(), "the kernel said yes to it, and yet this process can {}", open.join(", "));
        let ports = if abi >= PORTS_SINCE { ", no port to bind or connect to" } else { "" };
        Ok(Check { name: CHECK, passed: true, detail: format!("abi {abi}: files of the data directory{ports}") })
    }

    fn rules(data: &Path) -> anyhow::Result<RulesetCreated> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?;
        if data.is_dir() {
            rules = rules.add_rule(PathBeneath::new(PathFd::new(data)?, IN_DATA))?;
        }
        for (path, access) in for_a_worker() {
            // What is not there is not needed.
            if let Ok(file) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(file, access))?;
            }
        }
        Ok(rules)
    }

    /// What starting this very program again takes: itself, what it is linked with, and what finds that.
    fn for_a_worker() -> Vec<(PathBuf, BitFlags<AccessFs>)> {
        let read = BitFlags::from(AccessFs::ReadFile);
        let run = read | AccessFs::Execute;
        let mut needed = vec![
            (PathBuf::from("/proc/self/exe"), run),
            (PathBuf::from("/etc/ld.so.cache"), read),
            // SQLite seeds its generator with it.
            (PathBuf::from("/dev/urandom"), read),
        ];
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        needed.extend(mapped(&maps).into_iter().map(|path| {
            // The loader is run by the kernel; libraries are only read.
            let loads = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ld-"));
            (path, if loads { run } else { read })
        }));
        needed
    }

    /// The files that a process has mapped, each once.
    fn mapped(maps: &str) -> BTreeSet<PathBuf> {
        let path = |line: &str| line.find('/').and_then(|start| line.get(start..)).map(PathBuf::from);
        maps.lines().filter(|line| !line.ends_with(" (deleted)")).filter_map(path).collect()
    }

    /// What this process can still do and should not. `/proc/self/status` is a file that every process may read.
    fn still_open(abi: i32) -> Vec<&'static str> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let refused =
            |result: io::Result<()>| result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let attempts = [
            ("open a file", true, File::open("/proc/self/status").map(drop)),
            ("list a directory", true, fs::read_dir("/proc").map(drop)),
            ("connect", abi >= PORTS_SINCE, TcpStream::connect(nowhere).map(drop)),
            ("listen", abi >= PORTS_SINCE, TcpListener::bind(any).map(drop)),
        ];
        attempts.into_iter().filter_map(|(act, held, result)| (held && !refused(result)).then_some(act)).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_mapped_is_found_once_and_what_is_gone_is_not() {
            let maps = "7f00-7f01 r--p 00000000 fe:00 1  /usr/lib/libc.so.6\n\
                        7f01-7f02 r-xp 00001000 fe:00 1  /usr/lib/libc.so.6\n\
                        7f02-7f03 rw-p 00000000 00:00 0 \n\
                        7f03-7f04 r-xp 00000000 fe:00 2  /opt/a b/insula (deleted)\n\
                        7f04-7f05 rw-p 00000000 00:00 0  [heap]\n\
                        7f05-7f06 r--p 00000000 fe:00 3  /lib64/ld-linux-x86-64.so.2\n";
            let found: Vec<_> = mapped(maps).into_iter().collect();
            assert_eq!(found, [Path::new("/lib64/ld-linux-x86-64.so.2"), Path::new("/usr/lib/libc.so.6")]);
        }
    }
}
