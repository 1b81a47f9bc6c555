"""A load model for what goes past the run: a simulation of the closed loop client -> server -> worker -> server -> client on k cores.

It is fed with processor times measured at 16 connections and one delay measured at one connection, then held against the measured points from 1 to 256.
Only what it gets right there is a reason to believe it elsewhere; its error is in the JSON and in README.

The server is one process with one loop, the client another, each session a worker of its own. A process that has work waiting runs until it has none or its
slice is over; a process that slept is woken, which takes the delay, when a core is free for it.
"""

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field

SLICE_US = 3000.0
FITTED_AT = 16


@dataclass
class Costs:
    """Microseconds of processor time a request takes in each place, and of a wake-up."""

    client: float
    server: float
    worker: float
    wake: float


@dataclass
class Process:
    queue: deque = field(default_factory=deque)
    is_up: bool = False  # running, or waiting for a core


class Loop:
    """A closed loop: each connection sends its next request when its last one is answered."""

    STAGES = ("client", "server", "worker", "server")

    def __init__(self, costs, connections, cores, seed=1):
        self.costs, self.cores, self.free = costs, cores, cores
        self.events, self.count, self.now = [], 0, 0.0
        self.ready = deque()
        self.client, self.server = Process(), Process()
        self.workers = [Process() for _ in range(connections)]
        self.sent, self.latencies = [0.0] * connections, []
        self.random = random.Random(seed)
        for job in range(connections):
            self._arrive(job, 0)

    def _cost(self, stage):
        mean = {"client": self.costs.client, "server": self.costs.server / 2, "worker": self.costs.worker}[self.STAGES[stage]]
        return mean * self.random.gammavariate(4, 0.25)  # a spread of half the mean

    def _process(self, job, stage):
        return {"client": self.client, "server": self.server, "worker": self.workers[job]}[self.STAGES[stage]]

    def _at(self, time, what, *arguments):
        self.count += 1
        heapq.heappush(self.events, (time, self.count, what, arguments))

    def _arrive(self, job, stage):
        process = self._process(job, stage)
        process.queue.append((job, stage))
        if process.is_up:
            return
        process.is_up = True
        self._at(self.now + (self.costs.wake if self.free else 0), self._wants_core, process)

    def _wants_core(self, process):
        self.ready.append(process)
        self._give_cores()

    def _give_cores(self):
        while self.free and self.ready:
            self.free -= 1
            self._run(self.ready.popleft(), SLICE_US)

    def _run(self, process, left):
        job, stage = process.queue.popleft()
        if stage == 0 and self.sent[job]:
            self.latencies.append(self.now - self.sent[job])
        cost = self._cost(stage)
        self._at(self.now + cost, self._done, process, job, stage, left - cost)

    def _done(self, process, job, stage, left):
        if stage == 0:
            self.sent[job] = self.now
        following = (stage + 1) % len(self.STAGES)
        if process.queue and left > 0:
            self._run(process, left)
        else:
            self.free += 1
            process.is_up = bool(process.queue)
            if process.is_up:
                self.ready.append(process)
        self._arrive(job, following)
        self._give_cores()

    def run(self, requests):
        """Returns (requests a second, median, 99th percentile of the latency in microseconds), the first tenth left out."""
        begun = None
        while len(self.latencies) < requests:
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)
            if begun is None and len(self.latencies) >= requests // 10:
                begun = self.now
        steady = sorted(self.latencies[requests // 10:])
        return len(steady) / (self.now - begun) * 1e6, steady[len(steady) // 2], steady[int(len(steady) * 0.99)]


def fit(points):
    """Costs from the processor times at 16 connections; the delay of a wake-up is what is missing in the latency of one connection, which has four."""
    at = {p["connections"]: p for p in points}
    busy, one = at[FITTED_AT], at[1]
    cpu = {name: busy[f"{name}_cpu_us"] for name in ("client", "server", "worker")}
    return Costs(**cpu, wake=max(0.0, (one["p50_us"] - cpu["server"] - cpu["worker"]) / 4))


def predict(costs, connections, cores, requests):
    rate, p50, p99 = Loop(costs, connections, cores).run(requests)
    return {"connections": connections, "cores": cores, "per_second": rate, "p50_us": p50, "p99_us": p99}


def fullest(machines, sessions_each, rounds=200, seed=1):
    """Sessions placed at random over machines: how much more than the mean the fullest one has, in the median of many placements."""
    dice, found = random.Random(seed), []
    for _ in range(rounds):
        # The count of one machine among many is near to normal; its mean is sessions_each.
        found.append(max(dice.gauss(sessions_each, math.sqrt(sessions_each)) for _ in range(machines)) / sessions_each)
    return sorted(found)[rounds // 2]


def measure(found, requests=6000):
    """The model beside the measured points, then past them."""
    points = found.get("concurrency")
    if not points:
        return None
    costs, cores = fit(points), found["machine"]["cores"]
    predicted = [predict(costs, p["connections"], cores, requests) for p in points]
    errors = sorted(abs(m["per_second"] / p["per_second"] - 1) for m, p in zip(predicted, points) if p["connections"] != FITTED_AT)
    return {"costs_us": vars(costs), "points": predicted, "median_error": errors[len(errors) // 2], "worst_error": errors[-1],
            "more_cores": [predict(costs, 256, n, requests) for n in (2, 4, 8, 16)],
            "placement": [{"machines": m, "sessions_each": 1000, "fullest": fullest(m, 1000)} for m in (2, 10, 100)]}
