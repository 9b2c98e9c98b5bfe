"""Launches per second, and what adding and listing cost, on the embedded store and on FireWorks' own (its peer).

    python -m benchmarks.launchpad [SIZE ...] [--workers 1 2 4] [--all]

Every Firework calls `time.time`. `single`: workflows of one Firework, each of a study of its own; `chain`: of ten, one
after the other. The embedded store runs them all, with the worker of `cosinter run`; the peer (mongomock_persistence,
one process only, written to the disk when it ends) runs the first PEER_LAUNCHES of them with FireWorks' rapidfire,
since its cost grows with what it holds. `--all` adds 10,000. The peer is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SIZES = (100, 1000)
LARGE = 10_000
CHAIN = 10
PEER = "mongomock_persistence"
PEER_LAUNCHES = 50
PEER_LARGEST = 1000


@dataclass(frozen=True)
class Rate:
    """How a run went: seconds to add, Fireworks that ran, seconds to run them, processor seconds of the workers."""

    add_s: float
    launches: int
    run_s: float
    cpu_s: float = float("nan")

    def __str__(self) -> str:
        each = 1e3 * self.run_s / self.launches
        return f"{self.launches / self.run_s:9.0f} {each:10.1f} {1e3 * self.cpu_s / self.launches:9.1f} {self.add_s:8.2f}"


def workflows(shape: str, count: int) -> list[Any]:
    """Make Workflows with so many Fireworks together."""
    from fireworks import Firework, PyTask, Workflow

    made = []
    length = CHAIN if shape == "chain" else 1
    for number in range(count // length):
        fireworks: list[Any] = []
        for place in range(length):
            spec = {"_priority": length - place, "results": f"/results/study-{number}"}
            fireworks.append(
                Firework(PyTask(func="time.time"), name=f"stage-{place}", spec=spec, parents=fireworks[-1:])
            )
        made.append(Workflow(fireworks))
    return made


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def embedded(shape: str, count: int, workers: int) -> Rate:
    """Run everything on the embedded store, with so many processes."""
    from cosinter.workflows.launchpad import open_launchpad
    from cosinter.workflows.worker import run_worker

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fw.db"
        launchpad = open_launchpad(path)
        made = workflows(shape, count)
        add_s = timed(lambda: launchpad.bulk_add_wfs(made))
        before = os.times()
        begin = time.perf_counter()
        children = []
        for number in range(workers):
            child = os.fork()
            if not child:
                status = 1
                try:
                    run_worker(path, launch_root=Path(folder) / f"launches{number}", poll_s=0.02)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        ends = [os.waitpid(child, 0)[1] for child in children]
        run_s = time.perf_counter() - begin
        after = os.times()
        done = launchpad.fireworks.count_documents({"state": "COMPLETED"})
        if any(ends) or done != count or launchpad.launches.count_documents({}) != count:
            raise SystemExit(f"{done} of {count} Fireworks were completed; the times would mean nothing")
        launchpad.connection.file.close()
        cpu_s = sum(after[2:4]) - sum(before[2:4])
    return Rate(add_s, count, run_s, cpu_s)


def peer(shape: str, count: int) -> Rate:
    """Run the first Fireworks of so many on the peer, in a process of its own: it writes its file when it ends."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            status = 1
            try:
                rate = _run_on_peer(shape, count, Path(folder))
                (Path(folder) / "rate.json").write_text(json.dumps(asdict(rate)))
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"{PEER} did not come to an end")
        return Rate(**json.loads((Path(folder) / "rate.json").read_text()))


def _run_on_peer(shape: str, count: int, folder: Path) -> Rate:
    import mongomock_persistence
    from fireworks import FWorker
    from fireworks.core import launchpad as core
    from fireworks.core import rocket
    from fireworks.core.rocket_launcher import rapidfire

    (folder / "store.json").write_text("{}")
    store = mongomock_persistence.ServerStore(filename=str(folder / "store.json"))
    rocket.ROCKET_STREAM_LOGLEVEL = "CRITICAL"
    core.MongoClient = functools.partial(mongomock_persistence.MongoClient, _store=store)
    launchpad = core.LaunchPad(strm_lvl="CRITICAL")
    launchpad.reset("", require_password=False)
    made = workflows(shape, count)
    add_s = timed(lambda: launchpad.bulk_add_wfs(made))
    launches = min(count, PEER_LAUNCHES)
    before = time.process_time()
    run_s = timed(
        lambda: rapidfire(
            launchpad, FWorker(), m_dir=str(folder), nlaunches=launches, sleep_time=0, strm_lvl="CRITICAL"
        )
    )
    return Rate(add_s, launches, run_s, time.process_time() - before)


def launch_table(sizes: Sequence[int], workers: Sequence[int], *, beside_peer: bool) -> None:
    """Print launches per second by shape, size, store and number of workers."""
    print(
        f"{'shape':8} {'Fireworks':>9} {'store':22} {'workers':>7} {'launch/s':>9} {'ms/launch':>10} {'cpu ms':>9} {'add s':>8}"
    )
    for shape in ("single", "chain"):
        for size in sizes:
            for count in workers:
                print(
                    f"{shape:8} {size:9} {'embedded':22} {count:7} {embedded(shape, size, count)}", flush=True
                )
            if beside_peer and size <= PEER_LARGEST:
                print(f"{shape:8} {size:9} {PEER:22} {1:7} {peer(shape, size)}", flush=True)


def fan(count: int) -> Any:
    """Make one Workflow: a root, many side by side, and one that needs them all."""
    from fireworks import Firework, PyTask, Workflow

    spec = {"_priority": 1, "results": "/results/one"}
    root = Firework(PyTask(func="time.time"), spec=spec)
    middle = [Firework(PyTask(func="time.time"), spec=spec, parents=[root]) for _ in range(count - 2)]
    return Workflow([root, *middle, Firework(PyTask(func="time.time"), spec=spec, parents=middle)])


def store_times(size: int, folder: Path) -> dict[str, float]:
    """Seconds that adding, claiming and listing take on the embedded store with so many Fireworks."""
    from fireworks import FWorker

    from cosinter.workflows.jobs import our_jobs
    from cosinter.workflows.launchpad import open_launchpad

    launchpad = open_launchpad(folder / "fw.db")
    one, many = fan(size), workflows("single", size)
    worker = FWorker(query={"spec.results": f"/results/study-{size // 2}"})
    seconds = {
        "add one workflow of so many": timed(lambda: launchpad.add_wf(one)),
        "add so many workflows": timed(lambda: launchpad.bulk_add_wfs(many)),
        "is anything READY": timed(lambda: launchpad.run_exists(FWorker())),
        "is anything READY in one study": timed(lambda: launchpad.run_exists(worker)),
        "take one of one study": timed(lambda: launchpad.checkout_fw(worker, str(folder))),
        "list a study of so many": timed(lambda: our_jobs(launchpad, Path("/results/one"))),
        "list a study of one": timed(lambda: our_jobs(launchpad, Path(f"/results/study-{size // 2}"))),
        "count the READY ones": timed(lambda: launchpad.get_fw_ids({"state": "READY"}, count_only=True)),
    }
    launchpad.connection.file.close()
    return seconds


def store_table(sizes: Sequence[int]) -> None:
    """Print what adding, claiming and listing cost on the embedded store."""
    columns = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            columns.append(store_times(size, Path(folder)))
    print(f"\n{'embedded store, seconds':32} " + " ".join(f"{size:>9}" for size in sizes))
    for name in columns[0]:
        print(f"{name:32} " + " ".join(f"{column[name]:9.4f}" for column in columns))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser("python -m benchmarks.launchpad", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help=f"numbers of Fireworks, multiples of {CHAIN}")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--all", action="store_true", help=f"{LARGE} Fireworks too")
    given = parser.parse_args()
    sizes = given.sizes or [*SIZES, *([LARGE] if given.all else [])]
    if any(size < CHAIN or size % CHAIN for size in sizes):
        parser.error(f"the sizes {sizes} must be multiples of {CHAIN}")
    if any(count < 1 for count in given.workers):
        parser.error(f"the numbers of workers {given.workers} must be 1 or more")
    beside_peer = importlib.util.find_spec(PEER) is not None
    if not beside_peer:
        print(f"{PEER} is left out, since it is not installed ('pip install {PEER}')\n")
    launch_table(sizes, given.workers, beside_peer=beside_peer)
    store_table(sizes)


if __name__ == "__main__":
    main()
