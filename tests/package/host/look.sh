#!/bin/bash
# Inside the virtual machine, as a unit after the service's: says on the second serial line what it finds, one name and a line of text each.
exec </dev/null 3>/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw
say() { printf '%s %s\n' "$1" "$(tr -d '\n\r')" >&3; }
url=http://127.0.0.1:3003
json() { /usr/lib/penny-sandbox/venv/bin/python3 -Ic 'import json, sys; print(json.dumps({"sessionId": sys.argv[1], "timeout": 120000, "code": sys.stdin.read()}))' "$session"; }
post() { curl -s -m 200 -H 'Content-Type: application/json' "$url$1" -d @-; }
execute() { json | post /api/v1/execute; }
for _ in $(seq 600); do curl -sf -m 5 -o /dev/null $url/ready && break; sleep 0.5; done

systemctl is-system-running | say system
systemctl --no-legend --plain list-units --failed | say failed
stat -f -c %T /sys/fs/cgroup | say controlGroups
systemctl show -p ActiveState,NRestarts,User,StatusText,ControlGroup penny-sandbox | tr '\n' ';' | say unit
for process in penny-server penny-sandbox penny-zygote; do ps -o user=,comm= -C $process; done | tr -s ' ' | sort -u | tr '\n' ';' | say processes
curl -s $url/health | say health
penny-sandbox doctor --json --port=0 | say doctorInLoginShell

session=$(echo '{"policy": "open"}' | post /api/v1/sessions | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
execute <<'E' | say run
import os, pandas
x = 41
print(open("/proc/self/cgroup").read().strip(), os.getuid())
E
# Each of its processes keeps its limit, all of them together do not keep the session's.
execute <<'E' | say tooMuch
import os, signal
children = []
for _ in range(3):
    ready, written = os.pipe()
    child = os.fork()
    if child == 0:
        held = b"x" * (300 << 20)
        os.write(written, b"1")
        signal.pause()
        os._exit(0)
    os.close(written)
    os.read(ready, 1)
    children.append(child)
[os.kill(child, signal.SIGTERM) for child in children]
print([os.waitpid(child, 0)[1] & 127 for child in children])
E
execute <<'E' | say tooMany
import os, signal
children = []
try:
    while True:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError as e:
    print(e.errno, 0 < len(children) < 1000)
[os.kill(child, signal.SIGKILL) for child in children]
E
group=/sys/fs/cgroup$(systemctl show --value -p ControlGroup penny-sandbox)
find "$group" -mindepth 1 -name memory.max -exec cat {} + | sort | uniq -c | tr '\n' ';' | say limits
mount | grep -c "$group" | say mountsOnHost
ls "$group" | tr '\n' ' ' | say group

systemctl reload penny-sandbox
echo 'x += 1; print(x)' | execute | say afterReload
pid() { systemctl show --value -p MainPID penny-sandbox; }
server() { ps -o pid= -C penny-server | tr -d ' \n'; }
before=$(pid)/$(server)
systemctl kill --signal=USR2 --kill-who=main penny-sandbox
for _ in $(seq 600); do [ "$(pid)/$(server)" != "$before" ] && curl -sf -m 5 -o /dev/null $url/ready && break; sleep 0.2; done
echo 'x += 1; print(x)' | execute | say afterRenewal
systemctl stop penny-sandbox
systemctl show --value -p Result penny-sandbox | say stopped
ps -eo comm= | grep -c penny | say left
ls -d "$group" 2>/dev/null | say groupLeft
systemd-analyze --no-pager security penny-sandbox.service | tail -1 | say security
echo done | say done
sync
systemctl --no-block poweroff
