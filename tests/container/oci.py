"""What a line of `docker run` means, as the runtime's configuration: Docker's defaults, and the flags of the line on top.

`runc` starts the container from it. Nothing here is our own choice but the network (the host's, so that a test reaches the port)."""

import json
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
                        "SYS_CHROOT", "KILL", "AUDIT_WRITE")
MASKED = ("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
DISTRIBUTION_SECCOMP = Path("/usr/share/containers/seccomp.json")  # Debian's golang-github-containers-common
ARCHITECTURE = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}[platform.machine()]


class Line:
    """The flags of one `docker run`, read from its words."""

    def __init__(self, words):
        self.dropped, self.added, self.options, self.env, self.tmpfs, self.volumes = set(), set(), {}, {}, {}, []
        self.read_only, self.user, self.memory, self.cpus, self.pids = False, None, None, None, None
        words = list(words)
        while words:
            self._flag(words)

    def _flag(self, words):
        flag, _, value = words.pop(0).partition("=")
        if flag in ("-d", "--rm", "--init"):
            return
        if flag == "--read-only":
            self.read_only = value != "false"
            return
        value = value or words.pop(0)
        if flag == "--cap-drop":
            self.dropped.add(value)
        elif flag == "--cap-add":
            self.added.add(value)
        elif flag == "--security-opt":
            key, _, setting = value.replace(":", "=", 1).partition("=")
            self.options[key] = setting or "true"
        elif flag in ("-e", "--env"):
            key, _, self.env[key] = value.partition("=")
        elif flag == "--tmpfs":
            place, _, options = value.partition(":")
            self.tmpfs[place] = options
        elif flag in ("-v", "--volume"):
            self.volumes.append(value.split(":"))
        elif flag in ("-u", "--user"):
            self.user = value
        elif flag == "--memory":
            self.memory = int(value[:-1]) << {"m": 20, "g": 30}[value[-1]]
        elif flag == "--cpus":
            self.cpus = float(value)
        elif flag == "--pids-limit":
            self.pids = int(value)
        elif flag not in ("--name", "-p", "--publish", "--stop-timeout", "--cgroupns"):
            raise ValueError(f"this test does not know what {flag} means")

    def capabilities(self):
        names = set() if "ALL" in self.dropped else set(DEFAULT_CAPABILITIES) - self.dropped
        return sorted("CAP_" + name for name in names | self.added)


# What Docker's default profile allows with CAP_SYS_ADMIN only, and the distribution's to everybody (docs.docker.com/engine/security/seccomp).
PRIVILEGED = ("bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "perf_event_open",
              "pivot_root", "quotactl", "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2", "unshare")
NEVER = ("keyctl", "reboot", "kexec_load", "get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node", "pidfd_getfd", "sys_debug_setcontext")
NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* that clone(2) takes


def docker_default():
    """Docker's default profile: the distribution's, which allows everybody to make namespaces and mounts, without that."""
    profile = json.loads(DISTRIBUTION_SECCOMP.read_text())
    profile["defaultErrnoRet"] = 1
    rules = [{**rule, "names": [n for n in rule["names"] if n not in PRIVILEGED and n not in NEVER]} for rule in profile["syscalls"]
             if rule["action"] == "SCMP_ACT_ALLOW" and rule["names"] != ["socket"]]
    without = {"excludes": {"caps": ["CAP_SYS_ADMIN"]}}
    profile["syscalls"] = [rule for rule in rules if rule["names"]] + [
        {"names": list(PRIVILEGED), "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": NAMESPACE_FLAGS, "op": "SCMP_CMP_MASKED_EQ"}], **without},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, **without},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]
    return profile


def _applies(rule, capabilities):
    """includes: every condition holds; excludes: none does."""
    for part, wanted in ((rule.get("includes", {}), True), (rule.get("excludes", {}), False)):
        if part.get("caps") and any(c in capabilities for c in part["caps"]) != wanted:
            return False
        if part.get("arches") and (ARCHITECTURE[0] in part["arches"]) != wanted:
            return False
    return True


def seccomp(profile, capabilities):
    """A profile as Docker reads it, made into the runtime's form for these capabilities."""
    rules = []
    for rule in profile["syscalls"]:
        if _applies(rule, capabilities):
            rules.append({key: rule[key] for key in ("names", "action", "errnoRet", "args") if rule.get(key)})
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"],
            "architectures": [a for entry in profile["archMap"] if entry["architecture"] == ARCHITECTURE[1]
                              for a in (entry["architecture"], *(entry["subArchitectures"] or []))], "syscalls": rules}


def _mounts(line):
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
              {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
              {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
              {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
              {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
               "options": ["nosuid", "noexec", "nodev", "rw" if line.options.get("writable-cgroups") == "true" else "ro"]},
              {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
              {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}]
    mounts += [{"destination": place, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec", *(o for o in options.split(",") if o)]}
               for place, options in line.tmpfs.items()]
    mounts += [{"destination": v[1], "type": "bind", "source": v[0], "options": ["rbind", *(v[2:] or ["rw"])]} for v in line.volumes]
    return mounts


def config(line, image, rootfs, name, arguments=()):
    """The runtime's configuration of a container of this image's settings, started by this line."""
    uid, _, gid = (line.user or image["User"]).partition(":")
    capabilities = line.capabilities()
    held = capabilities if uid == "0" else []  # as everywhere: an ordinary user's process keeps none after execve
    given = line.options.get("seccomp")
    profile = docker_default() if given is None else json.loads((ROOT / given).read_text()) if given != "unconfined" else None
    env = dict(entry.split("=", 1) for entry in image["Env"]) | line.env
    unconfined = line.options.get("systempaths") == "unconfined"
    resources = {"devices": [{"allow": False, "access": "rwm"}]}
    resources["devices"] += [{"allow": True, "type": "c", "major": 1, "minor": minor, "access": "rwm"} for minor in (3, 5, 7, 8, 9)]
    if line.memory:
        resources["memory"] = {"limit": line.memory, "swap": line.memory}
    if line.cpus:
        resources["cpu"] = {"period": 100000, "quota": int(line.cpus * 100000)}
    if line.pids:
        resources["pids"] = {"limit": line.pids}
    return {
        "ociVersion": "1.0.2", "hostname": "penny", "root": {"path": str(rootfs), "readonly": line.read_only}, "mounts": _mounts(line),
        "process": {"terminal": False, "user": {"uid": int(uid), "gid": int(gid or 0)}, "cwd": "/", "args": [*image["Entrypoint"], *(arguments or image["Cmd"])],
                    "env": [f"{key}={value}" for key, value in env.items()], "noNewPrivileges": line.options.get("no-new-privileges") == "true",
                    "capabilities": {"bounding": capabilities, "permitted": held, "effective": held}},
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")], "cgroupsPath": f"/penny-container-test/{name}", "resources": resources,
                  "maskedPaths": [] if unconfined else list(MASKED), "readonlyPaths": [] if unconfined else list(READ_ONLY),
                  **({"seccomp": seccomp(profile, capabilities)} if profile else {})}}
