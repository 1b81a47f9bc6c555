#!/bin/bash
# Inside the virtual machine, as a unit after the service's: says on the second serial line what it finds, one name and a line of text each.
exec </dev/null 3>/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw
say() { printf '%s %s\n' "$1" "$(tr -d '\n\r')" >&3; }
url=http://127.0.0.1:3003
post() { curl -s -m 120 -H 'Content-Type: application/json' "$url$1" -d "$2"; }
execute() { post /api/v1/execute "$1"; }
for _ in $(seq 600); do curl -sf -m 5 -o /dev/null $url/ready && break; sleep 0.5; done

systemctl is-system-running | say system
systemctl --no-legend --plain list-units --failed | say failed
stat -f -c %T /sys/fs/cgroup | say controlGroups
systemctl show -p ActiveState,NRestarts,User,StatusText,ControlGroup penny-sandbox | tr '\n' ';' | say unit
for process in penny-server penny-sandbox penny-zygote; do ps -o user=,comm= -C $process; done | tr -s ' ' | sort -u | tr '\n' ';' | say processes
curl -s $url/health | say health
penny-sandbox doctor --json --port=0 | say doctorInLoginShell

session=$(post /api/v1/sessions '{}' | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
execute '{"sessionId":"'"$session"'","code":"import os, pandas\nx = 41\nprint(open(\"/proc/self/cgroup\").read().strip(), os.getuid())"}' | say run
execute '{"sessionId":"'"$session"'","code":"b = bytearray(600 << 20)"}' | say tooMuch
execute '{"sessionId":"'"$session"'","timeout":60000,"code":"import os\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            import time; time.sleep(1000)\n        n += 1\nexcept OSError as e:\n    print(e.errno, 0 < n < 1000)"}' | say tooMany
group=/sys/fs/cgroup$(systemctl show --value -p ControlGroup penny-sandbox)
find "$group" -mindepth 1 -name memory.max -exec cat {} + | sort | uniq -c | tr '\n' ';' | say limits
mount | grep -c "$group" | say mountsOnHost
ls "$group" | tr '\n' ' ' | say group

systemctl reload penny-sandbox
execute '{"sessionId":"'"$session"'","code":"x += 1\nprint(x)"}' | say afterReload
pid() { systemctl show --value -p MainPID penny-sandbox; }
server() { ps -o pid= -C penny-server | tr -d ' \n'; }
before=$(pid)/$(server)
systemctl kill --signal=USR2 --kill-who=main penny-sandbox
for _ in $(seq 600); do [ "$(pid)/$(server)" != "$before" ] && curl -sf -m 5 -o /dev/null $url/ready && break; sleep 0.2; done
execute '{"sessionId":"'"$session"'","code":"x += 1\nprint(x)"}' | say afterRenewal
systemctl stop penny-sandbox
systemctl show --value -p Result penny-sandbox | say stopped
ps -eo comm= | grep -c penny | say left
ls -d "$group" 2>/dev/null | say groupLeft
systemd-analyze --no-pager security penny-sandbox.service | tail -1 | say security
echo done | say done
sync
systemctl --no-block poweroff
