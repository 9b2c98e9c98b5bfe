"""The lines that a run leaves in a log."""

from __future__ import annotations

import io
import time
from pathlib import Path

from rich.console import Console

from cosinter.workflows.commands.progress import live_view
from cosinter.workflows.plan import Stage, keyed
from cosinter.workflows.results import Results


def test_every_end_is_told_once_and_those_of_earlier_runs_are_not(tmp_path: Path) -> None:
    results = Results(tmp_path)
    plan = keyed("s", [Stage(name, "sweep", {"name": name}) for name in ("a", "b", "c")])
    results.log("a", event="failed", key=plan.keys["a"], message="long ago")
    time.sleep(0.01)  # logs count in milliseconds
    text = io.StringIO()
    with live_view(Console(file=text)) as watch:
        missing = frozenset(plan.keys)
        watch(plan, results, missing)
        assert text.getvalue() == ""
        results.log("a", event="started", key=plan.keys["a"])
        results.log("a", event="finished", key=plan.keys["a"])
        results.log("b", event="failed", key=plan.keys["b"], message="it broke")
        for _ in range(2):
            watch(plan, results, missing)
    lines = text.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["[1/3]", "[2/3]"]
    assert "finished a" in lines[0]
    assert lines[1].rstrip().endswith("it broke")
