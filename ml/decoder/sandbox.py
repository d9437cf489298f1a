"""Limits that a process lays on itself before it touches hostile bytes.

Linux adds a seccomp filter: no files, no network, no programs, no other processes. Elsewhere only
the POSIX resource limits hold, and `filter_problem` says why.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from functools import cache
from itertools import chain

from ml.decoder.facts import DecoderLimits

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_ALLOW = 0x7FFF0000
SECCOMP_ERRNO = 0x00050000
CLONE_THREAD = 0x00010000
X32_BIT = 0x40000000

# (AUDIT_ARCH, clone, clone3, the rest) by machine, from asm/unistd_64.h and asm-generic/unistd.h.
# The rest: every call that opens a file, a socket, a program, a process or another way around.
_SYSCALLS: dict[str, tuple[int, int, int, tuple[tuple[int, ...], ...]]] = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        # open creat openat openat2 open_by_handle_at name_to_handle_at memfd_create
        # socket socketpair connect accept accept4 bind listen sendto sendmsg
        # fork vfork execve execveat ptrace process_vm_readv process_vm_writev
        # kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal
        # unlink rename mkdir rmdir link symlink chmod chown truncate mknod and their *at forms
        # mount umount2 pivot_root chroot unshare setns bpf perf_event_open userfaultfd
        # io_uring_setup keyctl add_key request_key pidfd_open pidfd_getfd prlimit64 setrlimit
        (
            (2, 85, 257, 437, 304, 303, 319),
            (41, 53, 42, 43, 288, 49, 50, 44, 46),
            (57, 58, 59, 322, 101, 310, 311),
            (62, 200, 234, 129, 297, 424),
            (87, 82, 83, 84, 86, 88, 90, 92, 76, 133, 263, 264, 316, 258, 265, 266, 268, 260, 259),
            (165, 166, 155, 161, 272, 308, 321, 298, 323),
            (425, 250, 248, 249, 434, 438, 302, 160),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        (
            (56, 437, 265, 264, 279),
            (198, 199, 203, 202, 242, 200, 201, 206, 211),
            (221, 281, 117, 270, 271),
            (129, 130, 131, 138, 240, 424),
            (35, 38, 276, 34, 37, 36, 53, 54, 45, 33),
            (40, 39, 41, 51, 97, 268, 280, 241, 282),
            (425, 219, 217, 218, 434, 438, 261, 164),
        ),
    ),
}


def limit(limits: DecoderLimits, *, filtered: bool) -> None:
    """Lay every limit on this process; it may then compute, read and write open files, and end."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    if sys.platform == "linux":  # macOS refuses RLIMIT_AS
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if filtered:
        install_filter()


def die_with_parent(parent_pid: int) -> None:
    """End this process when the thread that forked it ends; Linux only.

    For forks of a single-threaded process alone: from a thread pool it would kill at random.
    """
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def filter_problem() -> str:
    """Why the system call filter cannot be used here; empty when it can. Forks to try it."""
    if sys.platform != "linux":
        return f"no seccomp on {sys.platform}"
    if platform.machine() not in _SYSCALLS:
        return f"no system call table for {platform.machine()}"
    _filter_program(platform.machine())  # built once, for all forks
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            install_filter()
        except OSError as error:
            status = (error.errno or 1) & 0x7F
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return f"the kernel refused it: {os.strerror(code)}" if code else ""


def install_filter() -> None:
    """Refuse (EPERM) the system calls of `_SYSCALLS` from here on, threads excepted.

    Raises:
        OSError: the kernel has no seccomp filters, or refuses this one.
    """
    program = _filter_program(platform.machine())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)))


@cache
def _filter_program(machine: str) -> bytes:
    """Classic BPF over struct seccomp_data (nr at 0, arch at 4, first argument at 16)."""
    arch, clone, clone3, refused = _SYSCALLS[machine]
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    eperm, enosys = SECCOMP_ERRNO | errno.EPERM, SECCOMP_ERRNO | errno.ENOSYS
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, arch),
        (answer, 0, 0, eperm),
        (load, 0, 0, 0),
        (at_least, 0, 1, X32_BIT),  # the x32 numbers would walk around the list below
        (answer, 0, 0, eperm),
        (equal, 0, 1, clone3),  # its flags are behind a pointer: ENOSYS makes glibc use clone
        (answer, 0, 0, enosys),
    ]
    for number in chain.from_iterable(refused):
        steps += [(equal, 0, 1, number), (answer, 0, 0, eperm)]
    steps += [
        (equal, 0, 3, clone),
        (load, 0, 0, 16),
        (any_bit, 1, 0, CLONE_THREAD),
        (answer, 0, 0, eperm),
        (answer, 0, 0, SECCOMP_ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, pointer: ctypes.Array[ctypes.c_char] | None = None) -> None:
    libc = _libc()
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), pointer or zero, zero, zero) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
