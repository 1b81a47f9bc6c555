"""The frames of runtime/shared/wire.h, and a worker without a zygote (drive.c) to speak them with."""

import array
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import termios
import time

HEAD = struct.Struct("=HBBHHQ")
PAYLOAD_MAX = 65536 - 16
MORE, RAW_MANY = 1, 0xffff

SETUP, EXECUTE, INPUT, INSPECT, PARK, PING, SHED = range(1, 8)
READY, STDOUT, STDERR, DISPLAY, PLOT, VARIABLE, INPUT_REQUEST, DONE, REPLY, PARKED, PONG = range(64, 75)
WAKE_SIGNAL, ADOPT_SIGNAL = 40, 41
ADOPT_KEEP = 1
ORDER, REPORT = struct.Struct("=iIIIQ"), struct.Struct("=iiiI")

PATIENCE = float(os.environ.get("PENNY_TEST_PATIENCE", "60"))


class Ended(Exception):
    """The worker closed its event pipe."""


class Event:
    def __init__(self, kind, payload, execution):
        self.kind, self.pieces, self.execution = kind, [payload], execution

    @property
    def payload(self):
        if len(self.pieces) > 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0]

    @property
    def text(self):
        return self.payload.decode("utf-8", "replace")

    @property
    def json(self):
        def refuse(constant):
            raise ValueError(f"not JSON: {constant}")

        return json.loads(self.payload.decode("utf-8"), parse_constant=refuse)

    def __repr__(self):
        return f"<{self.kind} {self.payload[:200]!r}>"


class Result:
    """All that one cell sent, in order. Text of the raw pipes stands where the protocol's rules put it."""

    def __init__(self):
        self.events = []

    def add(self, event):
        last = self.events[-1] if self.events else None
        if last is not None and last.kind == event.kind and event.kind in (STDOUT, STDERR):
            last.pieces.append(event.payload)
        else:
            self.events.append(event)

    def of(self, kind):
        return [e for e in self.events if e.kind == kind]

    def joined(self, kind):
        return b"".join(e.payload for e in self.of(kind)).decode("utf-8", "replace")

    @property
    def stdout(self):
        return self.joined(STDOUT)

    @property
    def stderr(self):
        return self.joined(STDERR)

    @property
    def done(self):
        return self.of(DONE)[-1].json

    @property
    def status(self):
        return self.done["status"]

    @property
    def error(self):
        return self.done.get("error")

    @property
    def displays(self):
        return [e.json for e in self.of(DISPLAY)]

    @property
    def main(self):
        """The bundle of the last expression, or None."""
        return next((d["data"] for d in self.displays if d["isMainResult"]), None)

    @property
    def plots(self):
        return [e.json for e in self.of(PLOT)]

    @property
    def variables(self):
        return {e.json["name"]: e.json for e in self.of(VARIABLE)}

    @property
    def order(self):
        """(kind, text or None) of all but variables and DONE."""
        return [(e.kind, e.text if e.kind in (STDOUT, STDERR) else None) for e in self.events if e.kind not in (VARIABLE, DONE)]


class Worker:
    def __init__(self, drive, pid, fds):
        self.drive, self.pid = drive, pid
        self.request, self.event, self.out, self.err = fds[:4]
        self.channel = socket.socket(fileno=fds[4])  # init's end
        self.channel.settimeout(PATIENCE)
        for fd in (self.event, self.out, self.err):
            os.set_blocking(fd, False)
        self.buffer = b""
        self.pending = []  # events that are read and not taken yet
        self.parts = {}
        self.owed = {}  # bytes of the raw pipes that were there before the frames that are being read
        self.execution = 0
        self.ended = False

    # frames

    def send(self, kind, payload=b"", execution=None, flags=0):
        if isinstance(payload, str):
            payload = payload.encode()
        if execution is None:
            execution = self.execution
        while len(payload) > PAYLOAD_MAX:
            self.write(HEAD.pack(PAYLOAD_MAX, kind, flags | MORE, 0, 0, execution) + payload[:PAYLOAD_MAX])
            payload = payload[PAYLOAD_MAX:]
        self.write(HEAD.pack(len(payload), kind, flags, 0, 0, execution) + payload)

    def write(self, data):
        while data:
            data = data[os.write(self.request, data):]

    def raw_waiting(self, fd):
        n = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, n)
        return n[0]

    def drain(self, kind, limit=None):
        fd = self.out if kind == STDOUT else self.err
        data = b""
        while limit is None or len(data) < limit:
            try:
                piece = os.read(fd, 65536 if limit is None else limit - len(data))
            except BlockingIOError:
                break
            if not piece:
                break
            data += piece
        self.owed[kind] = self.owed.get(kind, 0) - len(data)
        return [Event(kind, data, self.execution)] if data else []

    def pump(self, timeout):
        """Waits for something and returns the events it makes, in the order of wire.h's rule for the raw pipes."""
        ready, _, _ = select.select([self.event, self.out, self.err], [], [], timeout)
        events = []
        self.owed = {kind: self.raw_waiting(fd) for kind, fd in ((STDOUT, self.out), (STDERR, self.err)) if fd in ready}
        if ready:
            events += self.read_frames()
        for kind, size in list(self.owed.items()):
            if size > 0:  # what a frame has not asked for meanwhile
                events += self.drain(kind, size)
        self.owed = {}
        return events

    def read_frames(self):
        try:
            data = os.read(self.event, 1 << 20)
            if not data:
                self.ended = True
        except BlockingIOError:
            data = b""
        self.buffer += data
        events = []
        while len(self.buffer) >= HEAD.size:
            length, kind, flags, raw_out, raw_error, execution = HEAD.unpack_from(self.buffer)
            assert length <= PAYLOAD_MAX and not flags & ~MORE and READY <= kind <= PONG, (length, kind, flags)
            if len(self.buffer) < HEAD.size + length:
                break
            payload = self.buffer[HEAD.size:HEAD.size + length]
            self.buffer = self.buffer[HEAD.size + length:]
            for stream, waited in ((STDOUT, raw_out), (STDERR, raw_error)):
                if waited:
                    events += self.drain(stream, None if waited == RAW_MANY else waited)
            if flags & MORE and kind not in (STDOUT, STDERR):
                self.parts[kind] = self.parts.get(kind, b"") + payload
                continue
            payload = self.parts.pop(kind, b"") + payload
            if kind == DONE:
                events += self.drain(STDOUT) + self.drain(STDERR)
            events.append(Event(kind, payload, execution))
        return events

    def events(self, until, patience=PATIENCE):
        """Yields events until until(event) is true for one, which is the last."""
        limit = time.monotonic() + patience
        while True:
            left = limit - time.monotonic()
            if left <= 0:
                raise TimeoutError("no such event")
            if not self.pending:
                self.pending += self.pump(left)
            while self.pending:
                event = self.pending.pop(0)
                yield event
                if until(event):
                    return
            if self.ended:
                raise Ended

    def wait_for(self, kind, patience=PATIENCE):
        for event in self.events(lambda e: e.kind == kind, patience):
            pass
        return event

    # cells

    def begin(self, code, execution=None, **setup):
        self.execution = self.execution + 1 if execution is None else execution
        if setup:
            self.send(SETUP, json.dumps(setup))
        self.send(EXECUTE, code)

    def collect(self, patience=PATIENCE, result=None):
        result = result or Result()
        for event in self.events(lambda e: e.kind == DONE, patience):
            result.add(event)
        return result

    def run(self, code, patience=PATIENCE, **setup):
        self.begin(code, **setup)
        return self.collect(patience)

    def inspect(self, **request):
        self.execution += 1
        self.send(INSPECT, json.dumps(request))
        return self.wait_for(REPLY).json

    # the process

    def interrupt(self, execution=None):
        self.drive.ask(f"interrupt {self.pid} {(self.execution if execution is None else execution) & 0x7FFFFFFF}")

    def kill(self, signal, pid=None):
        self.drive.ask(f"kill {pid or self.pid} {int(signal)}")

    def wait(self, pid=None):
        """The status of waitpid() of the worker, which ends."""
        return int(self.drive.ask(f"wait {pid or self.pid}", True).split()[1])

    # what init does to bring forth another member's worker

    def order(self, copy, keep, member=1, mark=1 << 40):
        """Sends a parked copy the order to adopt the ends of new pipes. Returns the worker that comes of it, whose pid is not known yet."""
        channel, theirs_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipes = [os.pipe() for _ in range(4)]
        mine = [pipes[0][1], *(p[0] for p in pipes[1:])]
        theirs = [pipes[0][0], *(p[1] for p in pipes[1:]), theirs_channel.fileno()]
        socket.send_fds(self.channel, [ORDER.pack(copy, member, ADOPT_KEEP if keep else 0, 0, mark)], theirs)
        for fd in theirs[:4]:
            os.close(fd)
        theirs_channel.close()
        self.kill(ADOPT_SIGNAL, copy)
        return Worker(self.drive, 0 if keep else copy, [*mine, channel.detach()])

    def report(self):
        """(copy, pid, error) that a parked copy of this worker tells init."""
        return REPORT.unpack(self.channel.recv(64))[:3]

    def close(self):
        self.channel.close()
        for fd in (self.request, self.event, self.out, self.err):
            if fd >= 0:
                os.close(fd)
        self.request = self.event = self.out = self.err = -1


class Drive:
    """The process that has started the host and forks workers."""

    def __init__(self, program, python, library, imports, profile="open", preload=(), env=None, cwd=None):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([program, python, library, imports, profile, *preload], stdin=theirs, stdout=theirs, env=env, cwd=cwd)
        theirs.close()
        self.socket.settimeout(PATIENCE)
        if self.socket.recv(64) != b"ready":
            raise RuntimeError("the host does not start")

    def ask(self, line, answered=False):
        self.socket.send(line.encode())
        return self.socket.recv(128).decode() if answered else None

    def fork(self):
        self.socket.send(b"fork")
        message, fds, _, _ = socket.recv_fds(self.socket, 128, 8)
        worker = Worker(self, int(message.split()[1]), fds)
        worker.ready = worker.wait_for(READY).json
        return worker

    def close(self):
        self.socket.close()
        self.process.wait(PATIENCE)
