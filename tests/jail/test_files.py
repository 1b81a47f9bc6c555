"""No secret and no file of the host can be read from a session, and nothing outside its own directories written."""

import os
import secrets

import pytest

SECRET = secrets.token_hex(16)


@pytest.fixture
def planted(tier_server, tmp_path_factory):
    """The same secret wherever the host has files: readable by everybody, so that only the jail can keep it."""
    places = []
    for directory in ("/tmp", "/var/tmp", "/root", "/home", "/etc", "/opt", "/srv", "/run", str(tier_server.directory)):
        path = f"{directory}/penny-secret-{SECRET[:8]}"
        try:
            with open(path, "w") as file:
                file.write(SECRET)
            os.chmod(path, 0o644)
            places.append(path)
        except OSError:
            continue
    yield places
    for path in places:
        os.unlink(path)


def test_planted_secrets_are_not_read(inside, planted):
    assert len(planted) >= 2
    code = f"""
import os
wanted = {planted!r} + ['/etc/shadow', '/etc/passwd-', '/etc/hostname', '/etc/machine-id', '/proc/1/environ', '/proc/cmdline', '/proc/kcore',
    '/proc/kallsyms', '/proc/keys', '/proc/sysrq-trigger', '/sys/kernel/notes', '/boot', '/root/.bash_history', '/var/log']
prefixes = ['', '/proc/self/root', '/proc/1/root', '/proc/self/cwd/../../../../..', '/workspace/../..', '/proc/self/fd/../../../..', '//', '/tmp/../tmp/..']
got = []
for path in wanted:
    for prefix in prefixes:
        for read in (lambda p: open(p, 'rb').read(65536), os.listdir):
            try: got.append((prefix + path, read(prefix + path)))
            except OSError: pass
print(got)
"""
    got = inside(code)
    assert SECRET not in got and got == "[]\n", got[:2000]


def test_what_files_of_the_host_are_marked_with_is_not_read(inside, planted):
    """Not even of those that everybody may read: Landlock does not judge extended attributes by a path."""
    marked = 0
    for path in planted:
        try:
            os.setxattr(path, "user.penny", SECRET.encode())
            marked += 1
        except OSError:  # this file system has none
            continue
    if not marked:
        pytest.skip("no file system here keeps extended attributes")
    code = f"""
import os
found = []
for path in {planted!r}:
    for look in (lambda: os.getxattr(path, 'user.penny'), lambda: os.getxattr(path, 'user.penny', follow_symlinks=False), lambda: os.listxattr(path)):
        try: found.append(look())
        except OSError: pass
print(found)
"""
    assert inside(code) == "[]\n"


def test_links_do_not_lead_out(inside, planted):
    code = f"""
import os
got = []
for number, path in enumerate({planted!r} + ['/etc/shadow', '/']):
    for link in (os.symlink, os.link):
        name = f'{{link.__name__}}-{{number}}'
        try:
            link(path, name)
            got.append(open(name).read())
        except OSError: pass
    try: os.rename(path, f'renamed-{{number}}'); got.append(path)
    except OSError: pass
print(got)
"""
    assert inside(code) == "[]\n"


def test_a_walk_over_everything_finds_no_secret(inside, planted):
    """Every regular file that can be opened at all, by a program that looks everywhere but where libraries live."""
    code = f"""
import os
found, seen = [], 0
for top, dirs, files in os.walk('/'):
    dirs[:] = [d for d in dirs if os.path.join(top, d) not in ('/usr', '/proc', '/opt/penny', '/lib', '/lib64') and not os.path.islink(os.path.join(top, d))]
    for name in files:
        path = os.path.join(top, name)
        if os.path.islink(path): continue # /dev/stdin and its like: reading them waits
        seen += 1
        try:
            with open(path, 'rb') as f:
                if b'{SECRET}' in f.read(1 << 20): found.append(path)
        except OSError: pass
print(found)
"""
    assert inside(code) == "[]\n"


def test_nothing_outside_can_be_written(inside, tier_server):
    code = f"""
import os
done = []
for place in ('/', '/usr', '/usr/bin', '/etc', '/opt', '/opt/penny', '/opt/penny/venv', '/opt/penny/python', '/lib', '/dev', '/proc', '/proc/self', '/root', '/home', '/var',
              {str(tier_server.tree / "runtime/python")!r}, {str(tier_server.build)!r}, {str(tier_server.directory)!r}, {str(tier_server.state)!r}):
    for act in (lambda p: open(p + '/penny-written', 'w').close(), lambda p: os.mkdir(p + '/penny-made'), lambda p: os.chmod(p, 0o777), lambda p: os.chown(p, 1000, 1000),
                lambda p: os.mknod(p + '/penny-node', 0o20666, os.makedev(1, 1))):
        try: act(place); done.append(place)
        except OSError: pass
print(done)
"""
    assert inside(code) == "[]\n"


def test_a_neighbours_file_is_not_changed_by_its_path(tier_server, layers, neighbour, inside):
    """Where there are no namespaces its path leads there, and all sessions are one user."""
    look = "lambda: [getattr(os.stat('kept'), 'st_' + name) for name in ('mode', 'ino', 'nlink', 'uid', 'gid', 'size', 'mtime_ns', 'ctime_ns')]"  # not when it was read: we do that
    path = tier_server.client.stdout(f"import os\nopen('kept', 'w').write('kept as it is')\nlook = {look}\nbefore = look()\nprint(os.path.abspath('kept'))", neighbour).strip()
    code = f"""
import os
done = []
for name, act in {{'truncate': lambda p: os.truncate(p, 0), 'open': lambda p: os.open(p, os.O_RDONLY | os.O_TRUNC), 'append': lambda p: open(p, 'a').close(), 'time': lambda p: os.utime(p),
                  'mode': lambda p: os.chmod(p, 0), 'owner': lambda p: os.chown(p, os.getuid(), -1), 'attribute': lambda p: os.setxattr(p, 'user.x', b'1'), 'unlink': os.unlink,
                  'rename': lambda p: os.rename(p, p + '2'), 'link': lambda p: os.link(p, 'mine'), 'beside': lambda p: os.symlink('x', p + '3'), 'read': lambda p: open(p).read()}}.items():
    try: act({path!r}); done.append(name)
    except OSError: pass
print(done)
"""
    done = inside(code)
    assert done == "[]\n" or layers["mountNamespace"], "there it is a place of its own"
    assert tier_server.client.stdout("print(open('kept').read(), look() == before, os.listdir())", neighbour) == "kept as it is True ['kept']\n"


def test_device_nodes_and_mounts_can_not_be_made(inside):
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
done = []
try: os.mknod('disk', 0o60666, os.makedev(254, 0)); done.append('mknod')
except OSError: pass
for name, args in {'mount': (b'proc', b'/tmp', b'proc', 0, None), 'umount2': (b'/workspace', 2), 'chroot': (b'/tmp',), 'pivot_root': (b'.', b'.'), 'unshare': (0x10000000,), 'setns': (0, 0)}.items():
    if libc.syscall({'mount': 165, 'umount2': 166, 'chroot': 161, 'pivot_root': 155, 'unshare': 272, 'setns': 308}[name], *args) == 0: done.append(name)
print(done)
"""
    assert inside(code) == "[]\n"


def test_the_workspace_and_tmp_are_the_sessions_own(tier_server):
    client = tier_server.client
    one, two = client.session(), client.session()
    write = "import os, tempfile\nopen('a.txt', 'w').write('mine')\nopen(os.path.join(tempfile.gettempdir(), 'b.txt'), 'w').write('mine')\nprint(os.getcwd(), tempfile.gettempdir())"
    places = client.stdout(write, one).split()
    found = client.stdout(f"import os, tempfile\nprint(os.listdir('.'), os.listdir(tempfile.gettempdir()))\nfor p in {places!r}:\n    for n in ('a.txt', 'b.txt'):\n"
                          "        try: print(open(os.path.join(p, n)).read())\n        except OSError: pass", two)
    assert "mine" not in found and "a.txt" not in found and "b.txt" not in found
    for session in (one, two):
        client.delete_session(session)


def test_zygote_memory_holds_nothing_of_the_service(inside, tier_server):
    """The fork inherits the zygote's memory: the operator's environment must not be in it."""
    code = """
import re
hits, wanted = 0, bytes(b ^ 1 for b in %r)
try:
    maps = open('/proc/self/maps').read().splitlines()
    memory = open('/proc/self/mem', 'rb', 0)
except OSError:
    maps = []
for line in maps:
    begin, end, flags = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\\S+)', line).groups()
    if '[stack]' not in line: continue # where the kernel puts the environment; the heap holds this program's own copies of the word
    try:
        memory.seek(int(begin, 16))
        hits += memory.read(int(end, 16) - int(begin, 16)).count(wanted)
    except (OSError, ValueError, OverflowError): pass
print(hits)
"""
    wanted = bytes(b ^ 1 for b in b"SANDBOX_STATE_DIR=")
    assert inside(code % wanted) == "0\n"


def test_libraries_that_look_into_etc_find_it_or_nothing(inside):
    """mimetypes reads /etc/mime.types where it is; openpyxl does so when it is imported."""
    assert inside("import mimetypes\nmimetypes.init()\nimport openpyxl\nprint(mimetypes.guess_type('a.html')[0])", timeout=60000) == "text/html\n"
