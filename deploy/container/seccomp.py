#!/usr/bin/env python3
"""Writes seccomp.json, the system calls of the whole container under the recommended flags: what policies/syscalls.json allows a session, and what the
service around the sessions needs to jail them. Smaller than Docker's default profile but for one group, the one that makes namespaces and mounts.

usage: seccomp.py [policies/syscalls.json] > seccomp.json     (make container-test holds that the file is what this prints)
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

SERVICE = {
    "making the namespaces and the read-only root of sessions: refused by Docker's default profile, and why this one is there": [
        "clone", "clone3", "mount", "pivot_root", "setns", "sethostname", "umount2", "unshare"],
    "a mount of the container's own control groups where it is shown read-only; the kernel asks for CAP_SYS_ADMIN": ["fsconfig", "fsmount", "fsopen"],
    "jailing: each takes rights away": ["capset", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"],
    "becoming the user of a session, of the server process, of the installer; the kernel asks for CAP_SETUID or refuses": [
        "setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid"],
    "the server's connections, and those of pip and of the way out": [
        "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg",
        "sendto", "setsockopt", "shutdown", "socketpair"],
    "the loops of the server and of the zygote": [
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "poll", "ppoll", "pselect6", "select",
        "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime", "vmsplice"],
    "processes of the service": [
        "capget", "kill", "prctl", "prlimit64", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sched_getaffinity", "sched_setaffinity", "setpriority", "setrlimit", "tgkill",
        "tkill", "wait4", "waitid"],
    "files of the service": ["chmod", "chown", "fchmod", "fchmodat", "fchown", "fchownat", "lchown", "mknod", "mknodat", "sync"],
}
ARGUMENT_RULES = [
    {"comment": "every family but AF_VSOCK, which leads to the hypervisor", "names": ["socket"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
    {"comment": "what programs ask for that look who they are; nothing else of it", "names": ["personality"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 0xFFFFFFFF, "op": "SCMP_CMP_EQ"}]},
]


def profile(policy):
    held = {name for rule in ARGUMENT_RULES for name in rule["names"]}
    session = {name for rule in policy["rules"] if rule["action"] == "allow" for name in rule["names"]}
    rules, listed = [], set(held)
    for comment, names in {**SERVICE, "what policies/syscalls.json allows a session": sorted(session)}.items():
        fresh = [name for name in names if name not in listed]
        listed.update(fresh)
        rules.append({"comment": comment, "names": fresh, "action": "SCMP_ACT_ALLOW"})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,  # ENOSYS: a program falls back, as on an older kernel
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}, {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []}],
            "syscalls": rules + ARGUMENT_RULES}


def main():
    policy = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / "policies/syscalls.json"
    print(json.dumps(profile(json.loads(policy.read_text())), indent=1))


if __name__ == "__main__":
    main()
