"""make bench: what the service takes, as ratios to what the machine itself takes, beside what people use today.

One run: everything in it is measured on the same machine in the same minutes, within --seconds. Prints a table; figures in build/bench.json, pictures
in build/bench.svg and build/bench-scale.svg. Nothing here is asserted: a number is a finding, not a test. What could not be measured is named, with the reason.
"""

import argparse
import json
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import chart  # noqa: E402
import crowd  # noqa: E402
import kernels  # noqa: E402
import limits  # noqa: E402
import machine  # noqa: E402
import model  # noqa: E402
import one_shot  # noqa: E402
import scale  # noqa: E402
import service  # noqa: E402
import table  # noqa: E402
from cells import DESCRIBE, INCREMENT, PLOT, PRINT  # noqa: E402
from harness import BUILD  # noqa: E402
from harness.processes import become_subreaper  # noqa: E402
from measure import Clock, say  # noqa: E402
from one_shot import Absent  # noqa: E402

STEPS = {"full": (1, 10, 100, 1000, 5000), "quick": (1, 10, 100)}
FRESH = ((PRINT, 100), (INCREMENT, 100), (DESCRIBE, 30), (PLOT, 10))
CHURN = {"full": 100_000, "quick": 1000}
CHURN_SECONDS = {"full": 270, "quick": 6}
FORKS_SECONDS = 60
CROWD = {"full": crowd.STEPS, "quick": crowd.STEPS[:2]}
RESERVE = {"full": 190, "quick": 45}  # seconds that the alternatives are left


class Bench:
    def __init__(self, variant, seconds, workplace):
        self.variant, self.workplace, self.clock = variant, Path(workplace), Clock(seconds)
        self.found = {"variant": variant, "machine": machine.describe(), "missing": {}}

    def scale(self, count):
        """A number of rounds, fewer in a quick run."""
        return count if self.variant == "full" else max(2, count // 10)

    def phase(self, name, function, *arguments, needs=5):
        """Measures one thing. Returns its figures, or None; then `missing` has the reason."""
        if self.clock.left < needs:
            self.found["missing"][name] = f"the run's {self.clock.seconds:.0f} s were out"
            return None
        say(f"{self.clock.used:4.0f} s  {name}")
        try:
            return function(*arguments)
        except Absent as why:
            self.found["missing"][name] = str(why)
        except Exception as fault:
            traceback.print_exc()
            self.found["missing"][name] = f"failed: {type(fault).__name__}: {fault}"[:400]
        return None

    def one_service(self, name, measure, **env):
        def measured():
            with service.server(self.workplace, name.replace(" ", "-").replace(",", ""), **env) as running:
                return measure(running)

        return self.phase(name, measured, needs=15)

    # ---- what is measured of a service that runs ----

    def cells(self, running):
        mine = self.found["service"]
        mine["layers"] = service.layers(running)
        mine["warm"] = service.first_output(running, self.scale(300), service.POOL)
        mine["fresh"] = {cell: service.fresh(running, cell, self.scale(n)) for cell, n in FRESH}
        mine["kept"] = {cell: service.kept(running, cell, self.scale(n)) for cell, n in ((PRINT, 5000), (INCREMENT, 20000), (DESCRIBE, 200), (PLOT, 20))}
        mine["kept_by_python"] = {cell: service.kept_by_python(running, cell, self.scale(n)) for cell, n in ((PRINT, 2000), (INCREMENT, 2000), (DESCRIBE, 100), (PLOT, 20))}
        service.at_rest(running)
        mine["crowd"] = crowd.kept(lambda: service.Kept(running), CROWD[self.variant], self.scale(1600))
        mine["increment_16"] = service.increments(running, 16, self.scale(60000))
        mine["memory"] = service.idle_memory(running, 200 if self.variant == "full" else 50)

    def streams(self, running):
        mine = self.found["service"]
        mine["events"], mine["events_uncopied"] = service.events(running, self.scale(500)), service.events(running, self.scale(500), checkpoints="off")
        mine["watchers"] = service.watchers(running, 1000 if self.variant == "full" else 200)

    def load(self, running):
        self.found["concurrency"] = scale.concurrency(running, self.scale(15000))
        mine = self.found["service"]
        mine["checkpoints_1"], mine["checkpoints_16"] = service.checkpoints(running, 1, self.scale(10000)), service.checkpoints(running, 16, self.scale(30000))

    def cold(self, running):
        mine = self.found["service"]
        mine["cold"] = service.first_output(running, self.scale(150), 0)
        mine["fresh_cold"] = {cell: service.fresh(running, cell, self.scale(n), 0) for cell, n in FRESH}

    def churn(self, running):
        seconds = max(5, min(CHURN_SECONDS[self.variant], self.clock.left - RESERVE[self.variant]))
        self.found["service"]["cycles"] = {**service.cycles(running, CHURN[self.variant], seconds), "wanted": CHURN[self.variant]}

    def forks(self):
        steps = STEPS[self.variant]
        made = scale.forks(steps, FORKS_SECONDS)
        if len(made) < len(steps):
            self.found["missing"][f"{steps[len(made)]:,} bare forks of an interpreter"] = f"not made in {FORKS_SECONDS} s and in the memory there is"
        return made

    def alternative(self, module, kind):
        why = kind.why_absent()
        if why:
            self.found["missing"][kind.name] = why
            return None
        return self.phase(kind.name, module.measure, kind, self.workplace, self.scale, CROWD[self.variant], needs=60 if self.variant == "full" else 10)

    def name_limit_of_crowd(self):
        steps = {a["name"]: a["crowd"][-1] for a in self.found["alternatives"].values() if "crowd" in a}
        if steps:
            sizes = [s["bytes_each"] for s in steps.values()]
            self.found["missing"][f"more than {CROWD[self.variant][-1]} sessions of an alternative"] = (
                f"at {min(sizes) / 2**20:.0f} to {max(sizes) / 2**20:.0f} MB each, 1,000 would take {min(sizes) * 1000 / 2**30:.0f} to {max(sizes) * 1000 / 2**30:.0f} GB of the "
                f"{self.found['machine']['memory_bytes'] / 2**30:.0f} here, and a hundred most of a minute to start")

    def measure(self):
        found, place, full = self.found, self.workplace, self.variant == "full"
        found["limits"] = self.phase("the machine's limits", limits.measure, self.scale)
        found["service"], found["alternatives"] = {}, {}
        self.one_service("cells of one session", self.cells)
        self.one_service("cold sessions", self.cold, SANDBOX_POOL_SIZE="0")
        self.one_service("streams", self.streams)
        found["service"]["throughput"] = self.phase("lines and bytes a second", service.throughput, place, 3 if full else 1, needs=15)
        self.one_service("connections, checkpoints", self.load)
        found["service"]["burst"] = self.phase("a burst of creates", service.burst, place, 1000 if full else 100, needs=20)
        found["service"]["big"] = self.phase("a session that holds 1 GB", service.big, place, 7 if full else 3, needs=20)
        found["sessions"], found["deleted"] = [], None
        self.phase("many sessions", scale.sessions, found, place, STEPS[self.variant], self.clock, RESERVE[self.variant], needs=30 if full else 12)
        found["forks"] = self.phase("bare forks of an interpreter", self.forks, needs=FORKS_SECONDS if full else 8) or []
        self.one_service("sessions made and deleted", self.churn)
        for module in (one_shot, kernels):
            for name, kind in module.KINDS.items():
                found["alternatives"][name] = self.alternative(module, kind) or {"name": kind.name, "note": kind.note}
        self.name_limit_of_crowd()
        found["model"] = self.phase("the model beside what was measured", model.measure, found, needs=0)
        found["seconds"] = round(self.clock.used, 1)
        return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--variant", choices=sorted(STEPS), default="full")
    arguments.add_argument("--seconds", type=float, default=580)
    given = arguments.parse_args()
    become_subreaper()
    with tempfile.TemporaryDirectory(prefix="penny-bench-") as workplace:
        Path(workplace).chmod(0o711)
        found = Bench(given.variant, given.seconds, workplace).measure()
    path = BUILD / "bench.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(table.text(found))
    pictures = chart.draw(found, BUILD)
    print("\n" + "  ".join(map(str, [path, *pictures])))
    sys.exit(any(why.startswith("failed") for why in found["missing"].values()))


if __name__ == "__main__":
    main()
