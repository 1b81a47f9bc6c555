"""make bench-readme: README's figures and pictures from the JSON of one run; nothing is measured here.

What stands between the markers in README.md is replaced; the JSON, a page with all rows and the pictures are put beside this file, for README to show and
for anybody to check.
"""

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import chart  # noqa: E402
import measure  # noqa: E402
import service  # noqa: E402
import table  # noqa: E402
from cells import INCREMENT, PRINT  # noqa: E402
from harness import ROOT  # noqa: E402
from model import FITTED_AT  # noqa: E402
from table import duration, get  # noqa: E402

BEGIN, END = "<!-- bench: made by make bench-readme -->", "<!-- /bench -->"
HERE = Path(__file__).resolve().parent
RESULT, PAGE = HERE / "measured.json", HERE / "measured.md"
PICTURES = {"bench.svg": HERE / "measured.svg", "bench-scale.svg": HERE / "measured-scale.svg"}


SESSIONS = (f"Made over 4 connections; what goes beyond the {service.POOL} kept ready is made while the client waits. Cells run over one connection, in {measure.SAMPLE} of them at most, evenly chosen; "
            "the first one in a session that has rested, then `x += 1` by turns. Bare forks: of an interpreter that has imported the same libraries, over pipes, without server and jail.")
CONNECTIONS = "`x += 1`, a session for each connection, beside bare libevhtp, which answers the same requests with a few bytes."


def _picture(name, says, seen_from):
    return f"![{says}]({PICTURES[name].relative_to(seen_from)})"


def _notes(found):
    notes = [f"{a['name']}: {a['note']}" for a in found["alternatives"].values() if "fresh" in a]
    return ("Median / 99th percentile; where fewer than 100 were made (each number is in measured.json) the second is the slowest. All are driven by clients in Python, which read the answer whole. A new session of ours "
            f"is one of {service.POOL} that are kept ready; \"no pool\": none is. \"-\": no session is kept. " + "; ".join(notes) + ". Every interpreter has the same versions of the same libraries.")


def _arithmetic(found):
    """From a session and a cell to a machine and to many, in figures of this run and of the model."""
    steps, model, points = get(found, "sessions"), get(found, "model"), get(found, "concurrency")
    if not (steps and model and points):
        return ""
    last, costs, used = steps[-1], model["costs_us"], get(found, "all_used")
    cell = costs["server"] + costs["worker"]
    cores = {p["cores"]: p["per_second"] for p in model["more_cores"]}
    placed = {p["machines"]: p["fullest"] for p in model["placement"]}
    worst = max(zip(model["points"], points), key=lambda pair: abs(pair[0]["per_second"] / pair[1]["per_second"] - 1))[1]["connections"]
    return (
        "**Beyond one machine.** "
        f"With {last['sessions']:,} sessions alive one takes {table.megabytes(last['idle_bytes_each'])}, so a GB holds {2**30 / last['idle_bytes_each']:,.0f} idle ones; what they load themselves comes on top. "
        f"A short cell in a session that is busy takes {duration(cell)} of processor time ({duration(costs['server'])} in the server, {duration(costs['worker'])} in the session), so a core carries {1e6 / cell:,.0f} of them a second. "
        f"{_people(found['machine'], used) if used and 'cpu_us' in used else ''}The server is one loop: "
        f"however many cores there are, an instance does not go beyond {1e6 / costs['server']:,.0f} short cells a second; a machine with more to give runs a second instance. "
        "Instances share nothing: no database, no bus, no lock. A session lives where it was made, and its requests go there; so M instances do M times the work of one, and what is lost is only that "
        f"sessions do not spread evenly. Placed at random, 1,000 to each, the fullest of 10 has {placed[10]:.2f} times the mean and the fullest of 100 {placed[100]:.2f} times: leave that much room. "
        f"What goes past this run is computed: `tests/bench/model.py` simulates the loop of clients, server and workers on k cores from processor times measured at {FITTED_AT} connections. "
        f"On the {found['machine']['cores']} cores here it meets the measured rates from 1 to 256 connections within {model['median_error']:.0%} in the median and {model['worst_error']:.0%} at worst (at {worst}); "
        f"it knows no caches, so it says too much where many take turns. For 4, 8 and 16 cores it says {cores[4]:,.0f}, {cores[8]:,.0f} and {cores[16]:,.0f} cells a second.")


def _people(machine, used):
    """Those who run a cell every ten seconds: each finds its session in no cache, and is followed by a copy of the state, where there was time for it."""
    size, count = used["all_bytes"] / used["sessions"], 10e6 / used["cpu_us"]
    by_memory, by_cores = machine["memory_bytes"] / size, count * machine["cores"]
    return (f"A person's cell costs more: among {used['sessions']:,} that have all run cells it finds its session in no cache: {duration(used['cpu_us'])} of processor time with the client's "
            f"(a copy of the state, which follows when the machine's part in copying allows, was made after {used['copies']:.0%} of them in this time), so a core carries {count:,.0f} people who run one every ten seconds; and with a copy a session takes {table.megabytes(size)}, so a GB holds {2**30 / size:,.0f}. "
            f"Here, memory would do for {by_memory:,.0f} such people and the cores for {by_cores:,.0f}: {'memory' if by_memory < by_cores else 'processor time'} is used up first. ")


def _summary(found):
    alternatives = [a for a in found["alternatives"].values() if "fresh" in a]
    if not alternatives:
        return ""
    mine = found["service"]
    if not all(get(mine, kind) for kind in ("fresh", "fresh_cold", "kept_by_python", "memory")):
        return ""
    fresh, cold = ({a["name"]: a["fresh"][PRINT]["p50_us"] / mine[kind][PRINT]["p50_us"] for a in alternatives} for kind in ("fresh", "fresh_cold"))
    kept = {a["name"]: a["kept"][INCREMENT]["p50_us"] / mine["kept_by_python"][INCREMENT]["p50_us"] for a in alternatives if "kept" in a}
    kept |= {f"{a['name']} with a client that acknowledges at once": a["acknowledged"]["p50_us"] / mine["kept_by_python"][INCREMENT]["p50_us"] for a in alternatives if a.get("acknowledged")}
    memory = {a["name"]: a["memory_bytes"] / mine["memory"]["imported_bytes"] for a in alternatives}

    def factors(ratios):
        return ", ".join(f"{name} {ratio:,.0f}" for name, ratio in ratios.items())

    return (f"As factors of ours: a new session's first answer {factors(fresh)}, where none is kept ready {factors(cold)}; `x += 1` in a kept one {factors(kept)}; "
            f"memory, after the same cell, {factors(memory)}.")


def _opening(found):
    return table.machine(found) + ("" if found["variant"] == "full" else ". This was a quick run.")


def block(found):
    """README's part: who is beside whom, and how it grows; README is read in five minutes (tests/api/test_documents.py counts), the rest has a page."""
    parts = [
        _opening(found), _picture("bench.svg", "Bars: each job here, beside the alternatives and the machine's limit", ROOT), table.markdown(table.beside(found)), _summary(found),
        _picture("bench-scale.svg", "Lines: latency, memory and rate as sessions and connections become more", ROOT),
        f"What the alternatives are, each limit of the machine, thousands of sessions, and what goes beyond one machine: [all rows of this run]({PAGE.relative_to(ROOT)}).",
    ]
    return "\n\n".join(part for part in parts if part)


def page(found):
    """All rows of the run."""
    parts = [
        "# What `make bench` measured", _opening(found), "Made by `make bench-readme` from measured.json.",
        "## Beside the alternatives", table.markdown(table.beside(found)), _notes(found),
        "## As there are more of them" if table.crowd(found) else "", table.markdown(table.crowd(found)), "## Beside the machine's limits", table.markdown(table.ours(found)),
        "\n".join(f"- {fact}" for fact in table.facts(found)), "## Sessions", SESSIONS, table.markdown(table.sessions(found)),
        "## Connections", CONNECTIONS, table.markdown(table.connections(found)), _picture("bench-scale.svg", "Lines: latency, memory and rate", HERE),
        _arithmetic(found), "## Not measured" if found["missing"] else "", "\n".join(f"- {line}" for line in table.missing(found)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def replaced(text, made):
    """README with the block replaced; its markers must be there once."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"README.md has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main(source):
    found = json.loads(Path(source).read_text())
    if Path(source).resolve() != RESULT:
        shutil.copyfile(source, RESULT)
    for made in chart.draw(found, HERE):
        made.replace(PICTURES[made.name])
    PAGE.write_text(page(found))
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(), block(found)))
    print(f"  {'README':8} from the run of {found['machine']['when']}, variant {found['variant']}")


if __name__ == "__main__":
    main(sys.argv[1])
