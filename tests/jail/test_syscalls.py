"""
The seccomp filter, probed harmlessly: a bad pointer or descriptor answers EFAULT, EBADF or EINVAL only where the filter let the call in.
Numbers are those of x86-64.
"""

import errno
import os
import platform
import socket

import pytest

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86-64")

REFUSED = {"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
           "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246, "init_module": 175, "finit_module": 313, "delete_module": 176, "reboot": 169,
           "add_key": 248, "request_key": 249, "keyctl": 250, "open_by_handle_at": 304, "fsopen": 430, "fsmount": 432, "move_mount": 429, "open_tree": 428, "mount_setattr": 442,
           "swapon": 167, "acct": 163, "settimeofday": 164, "sethostname": 170, "iopl": 172, "personality": 135, "setuid": 105, "setgroups": 116, "mknod": 133, "kcmp": 312,
           "pidfd_getfd": 438, "fanotify_init": 300, "mq_open": 240, "syncfs": 306}
ABSENT = {"clone3": 435, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "io_setup": 206, "inotify_init": 253, "inotify_init1": 294,
          "seccomp": 317, "no such call": 999}
ALLOWED = {"read": 0, "write": 1, "openat": 257, "fstat": 5, "getdents64": 217, "futex": 202, "pipe2": 293, "getrandom": 318, "statx": 332}

PROBE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for name, number in %r.items():
    ctypes.set_errno(0)
    libc.syscall(number, -1, ctypes.c_void_p(1), ctypes.c_void_p(1), ctypes.c_void_p(1), ctypes.c_void_p(1), ctypes.c_void_p(1))
    found[name] = ctypes.get_errno()
print(found)
"""


@pytest.mark.parametrize("calls,answer", [(REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)])
def test_calls_that_are_not_let_in(inside, calls, answer):
    found = eval(inside(PROBE % calls))
    assert found == dict.fromkeys(calls, answer)


def test_calls_that_are_let_in(inside):
    found = eval(inside(PROBE % ALLOWED))
    assert not [name for name, error in found.items() if error in (errno.EPERM, errno.ENOSYS)], found


def test_no_namespace_by_clone(inside):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([flag for flag in (0x10000000, 0x20000000, 0x00020000, 0x04000000, 0x08000000, 0x40000000, 0x02000000) if libc.syscall(56, flag | 17, 0, 0, 0, 0) >= 0])
"""
    assert inside(code) == "[]\n"


def test_no_other_socket_family(inside):
    assert inside("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint([f for f in range(2, 46) if libc.socket(f, 1, 0) >= 0 or libc.socket(f, 2, 0) >= 0 or libc.socket(f, 3, 0) >= 0])") == "[]\n"


def test_children_are_filtered_too(inside):
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.unshare(0x10000000), ctypes.get_errno())'], capture_output=True, text=True).stdout)"
    assert inside(code).strip() == "-1 1"


def test_nobody_else_is_put_last(tier_server, layers, inside):
    """Priority, scheduling class and processors of init, or of all processes of the user. In its own namespaces that is the session's own affair."""
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
zero, done = ctypes.c_int(0), []
for name, arguments in {'setpriority': (141, 0, os.getppid(), 19), 'of all': (141, 2, 0, 19), 'scheduler': (144, os.getppid(), 5, ctypes.byref(zero)),
                        'parameters': (142, os.getppid(), ctypes.byref(zero)), 'affinity': (203, os.getppid(), 8, ctypes.byref(ctypes.c_ulong(1))),
                        'ioprio': (251, 1, os.getppid(), 3 << 13), 'prlimit': (302, os.getppid(), 7, ctypes.byref((ctypes.c_ulong * 2)(9, 9)), None)}.items():
    if libc.syscall(*arguments) >= 0: done.append(name)
print(done)
"""
    done = eval(inside(code))
    assert "prlimit" not in done
    assert done == [] or layers["pidNamespace"]


def test_no_datagram_reaches_a_socket_of_the_host(tier_server, inside, workplace):
    """Not by connect(), and not by an address beside each datagram, which Landlock does not judge."""
    place = workplace / "datagrams"
    place.mkdir(mode=0o777, exist_ok=True)
    place.chmod(0o777)
    path = place / f"socket-{tier_server.tier}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.bind(str(path))
        path.chmod(0o777)
        inside(f"""
import socket
for make in (lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0], lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)):
    for send in (lambda s: s.sendto(b'x', {str(path)!r}), lambda s: s.sendmsg([b'x'], [], 0, {str(path)!r}), lambda s: s.connect({str(path)!r}) or s.send(b'x')):
        try: send(make())
        except OSError: pass
""")
        with pytest.raises(BlockingIOError):
            host.recv(10, socket.MSG_DONTWAIT)
    assert inside("import socket\na, b = socket.socketpair()\na.send(b'pair')\nprint(b.recv(9))\na, b = socket.socketpair(type=socket.SOCK_SEQPACKET)\nprint(a.send(b'x'))") == "b'pair'\n1\n"


USES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
file, bad = os.open('/usr/lib/os-release', os.O_RDONLY), ctypes.c_void_p(1)
def answer(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return ctypes.get_errno()
"""


def test_uses_of_a_call_that_are_not_let_in(inside):
    """What reaches others through what all read: leases, watches and the page cache of files of the root; programs for the kernel; controls of files."""
    code = USES + """
print({name: answer(*call) for name, call in {
    'a lease': (72, file, 0x400, 1), 'a lease, the command with bits that the kernel does not look at': (72, file, 0x100000400, 1), 'a delegation': (72, file, 0x410, bad),
    'a directory watch': (72, file, 0x402, 1), 'pages out of the cache': (221, file, 0, 0, 4), 'a filter of a socket': (54, -1, 1, 26, bad, 16),
    'a filter of a group of sockets': (54, -1, 1, 51, bad, 16), 'a filter of calls': (157, 22, 2, bad), 'a core of its own': (157, 62, 1, 0, 0, 0),
    'flags of a file': (16, file, 0x80086601, bad), 'setting them': (16, file, 0x40086602, bad), 'its version': (16, file, 0x80087601, bad),
    'its extended flags': (16, file, 0x801c581f, bad), 'where it lies': (16, file, 0xc020660b, bad), 'what else lies there': (16, file, 0xc0c0583b, bad),
    'a snapshot': (16, file, 0x50009401, bad), 'huge pages': (9, 0, 1 << 21, 3, 0x40022, -1, 0), 'a file of them': (319, b'x', 4), 'a segment of them': (29, 0, 1 << 21, 0o5600)
}.items()})
"""
    found = eval(inside(code))
    assert found == dict.fromkeys(found, errno.EPERM)


def test_uses_of_the_same_calls_that_are_let_in(inside):
    code = USES + """
print({name: answer(*call) for name, call in {
    'flags of a descriptor': (72, file, 1), 'of what is open': (72, file, 3), 'the size of a pipe': (72, file, 1032), 'a file read in order': (221, file, 0, 0, 2),
    'a buffer of a socket': (54, -1, 1, 7, bad, 4), 'the name of a thread': (157, 15, b'one'), 'bytes that wait': (16, file, 0x541b, bad), 'is it a terminal': (16, file, 0x5401, bad),
    'a copy that shares': (16, file, 0x40049409, -1), 'of a range': (16, file, 0x4020940d, bad)}.items()})
"""
    found = eval(inside(code))
    assert not [name for name, error in found.items() if error in (errno.EPERM, errno.ENOSYS)], found


def test_devices_are_used_and_not_marked(inside):
    """They are the host's: whoever may set their times tells all other sessions something."""
    before = os.stat("/dev/null").st_mtime_ns
    code = """
import os
try: os.utime('/dev/null')
except OSError: pass
print(open('/dev/null', 'w').write('x'), open('/dev/null', 'ab').write(b'x'), open('/dev/null', 'r+b', 0).read(), len(open('/dev/urandom', 'rb', 0).read(9)), open('/dev/zero', 'rb', 0).read(1))
os.close(os.open('/dev/null', os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
"""
    assert inside(code) == "1 1 b'' 9 b'\\x00'\n"
    assert os.stat("/dev/null").st_mtime_ns == before


def test_signals_on_their_way_are_few(tier_server, inside):
    """The kernel counts them for the user who has started the service, too: who could queue as many as that one may have would leave none to others."""
    code = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
count = 0
while count < 5000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0: count += 1
print(count, ctypes.get_errno())
"""
    count, error = map(int, inside(code).split())
    if "no signals can be sent" in tier_server.client.health()["isolation"]["layers"]["seccomp"]["detail"]:
        assert (count, error) == (0, errno.EPERM)
    else:
        assert 0 < count <= 4096 and error == errno.EAGAIN


def test_nobody_sees_what_others_run(tier_server, inside):
    """Every session and the host have one /usr/bin: who could watch it would see each program that any of them starts."""
    client = tier_server.client
    arm = """
import ctypes, fcntl, os, signal
libc, seen = ctypes.CDLL(None, use_errno=True), []
signal.signal(signal.SIGUSR1, lambda *_: seen.append('told by a signal'))
watch = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(watch, b'/usr/bin', 0x21)
directory = os.open('/usr/bin', os.O_RDONLY)
try:
    fcntl.fcntl(directory, 10, signal.SIGUSR1)
    fcntl.fcntl(directory, fcntl.F_NOTIFY, 0x80000001)
except PermissionError: pass
"""
    inside(arm)
    neighbour = client.session()
    assert client.stdout("import subprocess\nprint(subprocess.run(['/usr/bin/sort', '/dev/null']).returncode)\nprint(len(open('/usr/bin/sort', 'rb').read(9)))", neighbour) == "0\n9\n"
    client.delete_session(neighbour)
    look = """
try: seen.append(os.read(watch, 4096))
except OSError: pass
print(seen)
"""
    assert inside(look) == "[]\n"
