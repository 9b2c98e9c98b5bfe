"""Kill workers, and the process that adds and recovers, at random moments; count what must never happen.

    python -m benchmarks.chaos [--kills 1000] [--fireworks 300] [--seed 0] [--claims 1000]

A round is a new store and so many small Fireworks. A manager adds them in batches, makes ready again what dead workers
had taken, starts workers, and begins anew until all is COMPLETED. Half of the kills (SIGKILL) hit one worker, half
the manager together with its workers, as when the computer goes down. Processes are forked from one that has imported
everything, so a restart takes milliseconds; the forking process itself never opens a store. At the end eight workers
share 1,000 Fireworks without kills.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction, explicit_serialize

WORKERS = 2
BATCH = 30
CHAIN = 3
COUNTS = ("lost results", "double runs", "corrupt files", "stale locks", "inconsistent states")
LONGEST_TASK_S = 0.004
LATEST_KILL_S = 0.5
WORKER_SHARE = 0.65  # of the kills, where there are workers: about half of all
ROUND_LIMIT_S = 120.0
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


@dataclass(frozen=True)
class Tally:
    """What a campaign came to."""

    kills: Counter[str]
    rounds: int
    launches: int
    found: Counter[str]
    seconds: float


def append(path: Path, *words: object) -> None:
    """Append a line in one write, so that processes do not mix theirs."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


def lines(path: Path) -> list[list[str]]:
    """Read what was appended."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


@explicit_serialize
class Piece(FiretaskBase):  # type: ignore[misc]
    """Note the start, work for a moment, write a result; say so if somebody else is at the same piece."""

    required_params = ["folder", "name"]  # noqa: RUF012

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        folder, name = Path(self["folder"]), str(self["name"])
        append(folder / "started", name)
        with (folder / "at-work" / name).open("w") as mine:
            try:
                fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                append(folder / "both", name)
            time.sleep(random.uniform(0.0, LONGEST_TASK_S))
            draft = folder / "made" / f".{name}.{os.getpid()}"
            draft.write_text(name)
            draft.replace(folder / "made" / name)
        return FWAction(stored_data={"name": name})


def in_child(function: Callable[[], None]) -> int:
    """Fork, call, leave; return the process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        function()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException as failure:  # a child must not go on as its parent
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
    finally:
        os._exit(status)


# --- the processes that get killed ----------------------------------------------------------------------------------


def work(folder: Path) -> None:
    """Be a worker; note every launch whose completion the LaunchPad has confirmed."""
    from fireworks.core.launchpad import LaunchPad

    from cosinter.workflows.worker import run_worker

    complete = LaunchPad.complete_launch

    def noted(self: Any, launch_id: int, action: Any = None, state: str = "COMPLETED") -> Any:
        answer = complete(self, launch_id, action, state)
        append(folder / "confirmed", action.stored_data.get("name"), state)
        return answer

    LaunchPad.complete_launch = noted
    run_worker(folder / "fw.db", launch_root=folder / "launches", poll_s=0.01)


def manage(folder: Path, count: int, workers: int = WORKERS) -> None:
    """Add what is missing, recover, let workers work, until all is done."""
    from cosinter.workflows.launchpad import open_launchpad, recover_lost_runs

    launchpad = open_launchpad(folder / "fw.db")
    while True:
        check(launchpad, folder, workers)
        recover_lost_runs(launchpad)
        check(launchpad, folder, running=0)
        while (present := launchpad.fireworks.count_documents({})) < count:
            launchpad.bulk_add_wfs(pieces(folder, present, min(BATCH, count - present)))
        if launchpad.fireworks.count_documents({"state": "COMPLETED"}) == count:
            return
        children = [in_child(lambda: work(folder)) for _ in range(workers)]
        (folder / "workers").write_text(" ".join(map(str, children)))
        for child in children:
            os.waitpid(child, 0)


def pieces(folder: Path, first: int, count: int) -> list[Any]:
    """Make Workflows: half of the Fireworks alone, half in chains."""
    from fireworks import Firework, Workflow

    made: list[Any] = []
    chain: list[Any] = []
    for number in range(first, first + count):
        alone = number % (2 * CHAIN) >= CHAIN
        if chain and (alone or len(chain) == CHAIN):
            made.append(Workflow(chain))
            chain = []
        task = Piece(folder=str(folder), name=f"p{number}")
        firework = Firework(task, name=f"p{number}", parents=[] if alone else chain[-1:])
        made.append(Workflow([firework])) if alone else chain.append(firework)
    return [*made, Workflow(chain)] if chain else made


# --- what must never happen -----------------------------------------------------------------------------------------


def check(launchpad: Any, folder: Path, running: int) -> None:
    """Look for everything that must not be, while no worker is alive; append it to the findings."""
    found = folder / "found"
    for text in launchpad.connection.file.damage():
        append(found, "corrupt files", text)
    fireworks = {one["fw_id"]: one for one in launchpad.fireworks.find()}
    launches = {one["launch_id"]: one for one in launchpad.launches.find()}
    if len(fireworks) % BATCH and len({tuple(one["launches"]) for one in fireworks.values()}) == 1:
        append(found, "inconsistent states", f"{len(fireworks)} Fireworks are no whole batches")
    under_way = sum(one["state"] in ("RUNNING", "RESERVED") for one in fireworks.values())
    if under_way > running:
        append(found, "inconsistent states", f"{under_way} under way with {running} workers")
    for one in fireworks.values():
        _check_firework(one, [launches[i]["state"] for i in one["launches"]], found)
    for workflow in launchpad.workflows.find():
        _check_workflow(workflow, fireworks, found)
    _check_results(folder, fireworks, launches, found)


def _check_firework(firework: dict[str, Any], states: list[str], found: Path) -> None:
    name, state = firework["name"], firework["state"]
    if state in ("RUNNING", "COMPLETED", "FIZZLED", "RESERVED"):
        if state not in states:
            append(found, "inconsistent states", name, state, *states)
    elif states:
        append(found, "inconsistent states", name, state, *states)
    if state == "FIZZLED":
        append(found, "lost results", name, state)


def _check_workflow(workflow: dict[str, Any], fireworks: dict[int, Any], found: Path) -> None:
    if "locked" in workflow:
        append(found, "stale locks", workflow["nodes"])
    if workflow["fw_states"] != {str(i): fireworks[i]["state"] for i in workflow["nodes"]}:
        append(found, "inconsistent states", workflow["nodes"], workflow["fw_states"])
    for parent, children in workflow["links"].items():
        ready = {"WAITING"} if fireworks[int(parent)]["state"] != "COMPLETED" else set()
        if ready and any(fireworks[child]["state"] not in ready for child in children):
            append(found, "inconsistent states", parent, children)


def _check_results(folder: Path, fireworks: dict[int, Any], launches: dict[int, Any], found: Path) -> None:
    states = {one["name"]: one["state"] for one in fireworks.values()}
    confirmed = Counter(name for name, state in lines(folder / "confirmed") if state == "COMPLETED")
    for name, times in confirmed.items():
        if states.get(name) != "COMPLETED":
            append(found, "lost results", name, "was confirmed, is", states.get(name))
        if times > 1:
            append(found, "double runs", name, "was confirmed", times)
    for name, state in states.items():
        made = folder / "made" / name
        if state == "COMPLETED" and not made.exists():
            append(found, "lost results", name, "has no file")
        if made.exists() and made.read_text() != name:
            append(found, "corrupt files", made)
    done = Counter(one["fw_id"] for one in launches.values() if one["state"] == "COMPLETED")
    for fw_id, times in done.items():
        if times > 1:
            append(found, "double runs", fw_id, "COMPLETED", times)
    for (name,) in lines(folder / "both"):
        append(found, "double runs", name, "in two processes at once")


# --- the campaign ---------------------------------------------------------------------------------------------------


def make_round(folder: Path) -> None:
    """Make the folders of a round."""
    for name in ("launches", "at-work", "made"):
        (folder / name).mkdir(parents=True)


def _manager(folder: Path, count: int) -> int:
    def lead() -> None:
        os.setsid()
        (folder / "workers").unlink(missing_ok=True)
        manage(folder, count)

    return in_child(lead)


def _kill_in_round(folder: Path, count: int, dice: random.Random, kills: Counter[str], limit: int) -> None:
    deadline = time.monotonic() + ROUND_LIMIT_S
    manager = _manager(folder, count)
    while True:
        until = time.monotonic() + dice.uniform(0.0, LATEST_KILL_S)
        while time.monotonic() < until:
            ended, status = os.waitpid(manager, os.WNOHANG)
            if ended:
                if status:
                    append(folder / "found", "inconsistent states", f"the manager ended with status {status}")
                return
            time.sleep(0.001)
        if time.monotonic() > deadline:
            append(folder / "found", "stale locks", f"no end after {ROUND_LIMIT_S:.0f} s")
        elif kills.total() >= limit:
            continue
        elif dice.random() < WORKER_SHARE and _kill_worker(folder, manager, dice):
            kills["workers"] += 1
            continue
        else:
            kills["parents"] += 1
        _kill_group(manager)
        if time.monotonic() > deadline:
            return
        manager = _manager(folder, count)


def _kill_worker(folder: Path, manager: int, dice: random.Random) -> bool:
    """Kill a worker of the present manager; say whether there was one."""
    try:
        workers = [int(word) for word in (folder / "workers").read_text().split()]
        worker = dice.choice([one for one in workers if os.getpgid(one) == manager])
        os.kill(worker, signal.SIGKILL)
    except (OSError, IndexError):
        return False
    return True


def _kill_group(manager: int) -> None:
    """Kill a manager and its workers, and wait until none of them is left."""
    try:
        os.killpg(manager, signal.SIGKILL)
    except ProcessLookupError:  # it had not yet made its group, so it has no workers
        os.kill(manager, signal.SIGKILL)
    os.waitpid(manager, 0)
    with suppress(ChildProcessError):  # none is left
        while True:
            os.waitpid(-manager, 0)  # its workers have become children of this process


def _adopt_orphans() -> None:
    """Let the grandchildren of a dead child become children of this process, so that their end can be awaited."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this computer does not hand orphans over")


def campaign(place: Path, *, kills: int, fireworks: int, seed: int) -> Tally:
    """Run rounds until so many kills were given and the last round has ended."""
    _adopt_orphans()
    dice = random.Random(seed)
    given: Counter[str] = Counter()
    found: Counter[str] = Counter()
    begin, rounds, launches = time.perf_counter(), 0, 0
    while given.total() < kills:
        folder = place / f"round{rounds}"
        make_round(folder)
        _kill_in_round(folder, fireworks, dice, given, kills)
        rounds += 1
        launches += len(lines(folder / "started"))
        for words in lines(folder / "found"):
            found[" ".join(words[:2])] += 1
            print(f"round {rounds}: {' '.join(words)}", file=sys.stderr)
        missing = fireworks - len([path for path in (folder / "made").iterdir() if path.name[0] != "."])
        found["lost results"] += missing
    return Tally(given, rounds, launches, found, time.perf_counter() - begin)


def double_claims(place: Path, *, workers: int, fireworks: int) -> tuple[int, float]:
    """Let workers share Fireworks; return how many ran more than once or not at all, and the seconds."""
    make_round(place)
    begin = time.perf_counter()
    child = in_child(lambda: manage(place, fireworks, workers))
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the workers did not come to an end")
    seconds = time.perf_counter() - begin
    starts = Counter(name for (name,) in lines(place / "started"))
    return sum(starts[f"p{number}"] != 1 for number in range(fireworks)), seconds


def main() -> int:
    """Run everything and print it; the exit status is 1 if anything was found."""
    parser = argparse.ArgumentParser("python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--fireworks", type=int, default=300, help="per round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--claims", type=int, default=1000, help="Fireworks shared by eight workers")
    given = parser.parse_args()
    import cosinter.workflows.worker  # noqa: F401  (imported once, for all children)
    from cosinter.workflows.embedded.methods import install

    install()
    with tempfile.TemporaryDirectory() as place:
        tally = campaign(Path(place) / "kills", kills=given.kills, fireworks=given.fireworks, seed=given.seed)
        doubles, seconds = double_claims(Path(place) / "claims", workers=8, fireworks=given.claims)
    print(f"{tally.kills.total()} kills -9: {json.dumps(dict(tally.kills))}, {tally.rounds} rounds of")
    print(f"{given.fireworks} Fireworks, {tally.launches} tasks started, {tally.seconds:.0f} s\n")
    for name in COUNTS:
        print(f"{name:28} {tally.found[name]:6}")
    print(f"\n8 workers, {given.claims} Fireworks, {seconds:.0f} s")
    print(f"{'double claims':28} {doubles:6}")
    return int(bool(tally.found.total() or doubles))


if __name__ == "__main__":
    from benchmarks.chaos import main as imported_main  # Piece is found by the name of its module

    raise SystemExit(imported_main())
