//! What the compile worker shuts itself in with, on top of its rlimits, before it parses a byte of a stranger's: no new
//! privileges, Landlock without a single right, and a seccomp filter that leaves what compiling needs, each on every thread
//! that it has. Reasons: docs/decisions/0016-compile-worker-and-landlock.md and 0026-threads-of-a-compile-worker.md.
//!
//! Both are used as far as the kernel has them, and what is in force is said. What is said to be in force is tried, once
//! for each start of a host (B5): see [`probe`](super::probe).

use serde::{Deserialize, Serialize};

/// What is in force, as the worker reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Sandbox {
    /// The version of Landlock's interface that the kernel has; none where it has no Landlock, or has it switched off.
    pub(crate) landlock: Option<i32>,
    /// Whether a filter of system calls is in force.
    pub(crate) seccomp: bool,
    /// Why one of them is not.
    pub(crate) missing: Vec<String>,
}

impl Sandbox {
    /// For people: `landlock abi 7, seccomp`.
    pub(crate) fn describe(&self) -> String {
        let landlock = self.landlock.map(|abi| format!("landlock abi {abi}"));
        let seccomp = self.seccomp.then(|| "seccomp".to_owned());
        let parts: Vec<_> = landlock.into_iter().chain(seccomp).chain(self.missing.iter().cloned()).collect();
        parts.join(", ")
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::enter;
#[cfg(all(test, target_os = "linux"))]
pub(super) use linux::{filter, give_up_rights};

#[cfg(not(target_os = "linux"))]
pub(super) fn enter(_threads: &super::threads::Threads) -> std::io::Result<Sandbox> {
    Ok(Sandbox { missing: vec!["landlock and seccomp: not on this system".to_owned()], ..Sandbox::default() })
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::io;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetError, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
        TargetArch,
    };

    use super::Sandbox;
    use crate::compile::threads::Threads;

    /// The newest version of Landlock's interface whose rights are all taken away here. An older kernel takes away those
    /// that it knows.
    const KNOWN: ABI = ABI::V10;

    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: TargetArch = TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: TargetArch = TargetArch::aarch64;

    /// Shuts this process in with all its threads, as far as the kernel can.
    ///
    /// # Errors
    ///
    /// When the kernel has one of the two and refused it to one of the threads: then the worker must not read a component.
    pub(crate) fn enter(threads: &Threads) -> io::Result<Sandbox> {
        // Landlock is about the thread that asks for it: each does.
        let mut each = threads.everywhere(give_up_rights);
        let mut sandbox = each.pop().unwrap_or_else(|| Err(io::Error::other("no thread was shut in")))?;
        for other in each {
            if other? != sandbox {
                return Err(io::Error::other("landlock: not the same on every thread"));
            }
        }
        // A filter can be asked for all threads at once, also for one that nobody here knows of.
        match seccompiler::apply_filter_all_threads(&filter()?) {
            Ok(()) => sandbox.seccomp = true,
            // What a kernel without filters answers.
            Err(seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
            {
                sandbox.missing.push("seccomp: not on this kernel".to_owned());
            }
            Err(error) => return Err(io::Error::other(format!("seccomp: {error}"))),
        }
        Ok(sandbox)
    }

    /// Shuts the thread that calls in with Landlock, as far as the kernel can.
    pub(in crate::compile) fn give_up_rights() -> io::Result<Sandbox> {
        rustix::thread::set_no_new_privs(true)?;
        let mut sandbox = Sandbox::default();
        let status = without_rights().map_err(|error| io::Error::other(format!("landlock: {error}")))?;
        match status.landlock {
            LandlockStatus::Available { effective_abi, kernel_abi } => {
                sandbox.landlock = Some(kernel_abi.unwrap_or(effective_abi as i32));
            }
            LandlockStatus::NotEnabled => sandbox.missing.push("landlock: switched off on this kernel".to_owned()),
            LandlockStatus::NotImplemented => sandbox.missing.push("landlock: not on this kernel".to_owned()),
        }
        Ok(sandbox)
    }

    /// Landlock with every right taken and none given: no file can be opened, no port bound or connected to, no abstract
    /// socket or signal reaches out.
    fn without_rights() -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?
            .no_new_privs(true)
            .restrict_self()
    }

    /// What compiling needs, and nothing else: anonymous memory that is never executable, reading standard input, writing
    /// standard output and error, time, random bytes, locks, and its own end. Everything else answers `EPERM`.
    pub(in crate::compile) fn filter() -> io::Result<BpfProgram> {
        let arg = |index, operator, value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
        let is = |index, value| arg(index, SeccompCmpOp::Eq, value);
        let none_of = |index, mask| arg(index, SeccompCmpOp::MaskedEq(mask), 0);
        let all_of = |index, mask| arg(index, SeccompCmpOp::MaskedEq(mask), mask);
        let number = |value: libc::c_int| u64::try_from(value).unwrap_or(u64::MAX);
        let (execute, anonymous) = (number(libc::PROT_EXEC), number(libc::MAP_ANONYMOUS));
        let own = u64::from(std::process::id());

        let rules = || -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
            let mut rules = BTreeMap::new();
            for call in ALWAYS {
                rules.insert(*call, Vec::new());
            }
            // Also where descriptors were inherited: these three are all that can be used.
            rules.insert(libc::SYS_read, vec![SeccompRule::new(vec![is(0, 0)?])?]);
            rules.insert(libc::SYS_write, vec![SeccompRule::new(vec![is(0, 1)?])?, SeccompRule::new(vec![is(0, 2)?])?]);
            rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![none_of(2, execute)?, all_of(3, anonymous)?])?]);
            rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![none_of(2, execute)?])?]);
            // How an abort ends the process.
            rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, own)?])?]);
            Ok(rules)
        };
        let refuse = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
        let filter = rules()
            .and_then(|rules| SeccompFilter::new(rules, refuse, SeccompAction::Allow, ARCHITECTURE))
            .and_then(BpfProgram::try_from);
        filter.map_err(|error| io::Error::other(format!("seccomp: {error}")))
    }

    /// Calls that are let through whatever their arguments are: none of them reaches anything outside of this process.
    const ALWAYS: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
    ];
}
