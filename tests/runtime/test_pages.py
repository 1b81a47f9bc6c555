"""Pages that a first cell needs: there before it comes, given back when nothing comes, and never where anything has run."""

from pathlib import Path

from wire import PING, PONG, SHED

from harness import until


def kilobytes(worker):
    rollup = dict(line.split()[:2] for line in Path(f"/proc/{worker.pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(rollup["Anonymous:"])


def faults(worker):
    return int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[7])


def waits(drive):
    """A worker that has made its pages ready, which it does after it has said that it is: requests are read after that."""
    worker = drive.fork()
    worker.send(PING)
    worker.wait_for(PONG)
    return worker


def shed(worker):
    before = kilobytes(worker)
    worker.send(SHED)
    until(lambda: kilobytes(worker) < before - 100, "what only makes a first cell faster is given back")  # 200 and more were seen


def faults_of_a_cell(worker):
    before = faults(worker)
    assert worker.run("print(1)").stdout == "1\n"
    return faults(worker) - before


def test_a_first_cell_finds_its_pages(drive):
    prepared, lean = waits(drive), waits(drive)
    shed(lean)
    assert faults_of_a_cell(prepared) * 2 < faults_of_a_cell(lean)  # 10 to 14 and 57 to 69 were seen
    for worker in (prepared, lean):
        worker.close()


def test_twice_is_as_once(drive):
    worker = waits(drive)
    shed(worker)
    worker.send(SHED)
    assert worker.run("x = [1]\nprint(x)").stdout == "[1]\n"
    worker.close()


def test_what_has_run_keeps_all(drive):
    """Threads of its own may write meanwhile, and a page that has come to be as it was is not looked for."""
    worker = waits(drive)
    assert worker.run("import threading\nx = [1]\ngo = threading.Event()\nt = threading.Thread(target=go.wait)\nt.start()").status == "ok"
    worker.send(SHED)
    assert worker.run("x.append(2)\ngo.set()\nt.join()\nprint(x)").stdout == "[1, 2]\n"
    worker.close()
