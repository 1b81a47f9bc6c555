"""Runs a command as an ordinary user in a place where the kernel refuses to make user namespaces.

usage: without_user_namespaces.py UID COMMAND...
The place is itself a user namespace, whose own limit of further ones is set to 0.
"""

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def map_ids(pid, uid):
    if os.geteuid() == 0:
        write(f"/proc/{pid}/uid_map", f"0 0 1\n{uid} {uid} 1\n")
        write(f"/proc/{pid}/gid_map", f"0 0 1\n{uid} {uid} 1\n")
    else:
        write(f"/proc/{pid}/setgroups", "deny")
        write(f"/proc/{pid}/uid_map", f"{uid} {uid} 1\n")
        write(f"/proc/{pid}/gid_map", f"{os.getegid()} {os.getegid()} 1\n")


def main():
    uid, command = int(sys.argv[1]), sys.argv[2:]
    root = os.geteuid() == 0
    ready, go = os.pipe(), os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(ready[1])
        if not os.read(ready[0], 1):  # there is no user namespace to be had
            os._exit(1)
        map_ids(os.getppid(), uid)
        os.write(go[1], b"1")
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    os.write(ready[1], b"1")
    os.read(go[0], 1)
    os.waitpid(mapper, 0)
    write("/proc/sys/user/max_user_namespaces", "0")
    if root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.execvp(command[0], command)


main()
