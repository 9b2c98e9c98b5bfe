"""What a person sees while a study runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cosinter.workflows.flows import Watch
from cosinter.workflows.plan import Plan
from cosinter.workflows.results import Results, now

SHOWN_EVENTS = 6
ENDS = ("finished", "failed")


@contextmanager
def live_view(console: Any) -> Iterator[Watch]:
    """Give a ``watch`` function for :func:`cosinter.workflows.flows.run_study` that draws on ``console``."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    from rich.live import Live

    view, state = _View(), _State()
    with Live(console=console, refresh_per_second=5, transient=True) as live:

        def watch(plan: Plan, results: Results, missing: frozenset[str]) -> None:
            state.look(plan, results, missing)
            live.update(view.draw(state))

        yield watch


class _State:
    """States of the stages of this run, read from their logs; those that ended are not read again.

    What an earlier run wrote there does not count.
    """

    def __init__(self) -> None:
        self.begin = now()
        self.stages: list[str] = []
        self.last: dict[str, dict[str, Any]] = {}

    def look(self, plan: Plan, results: Results, missing: frozenset[str]) -> None:
        self.stages = [stage.name for stage in plan.stages if stage.name in missing]
        for name in self.stages:
            if self.last.get(name, {}).get("event") not in ENDS:
                events = results.events(name, plan.keys[name])
                self.last[name] = events[-1] if events and events[-1]["time"] >= self.begin else {}

    def having(self, event: str) -> list[str]:
        return [name for name in self.stages if self.last[name].get("event") == event]


class _Lines:
    """One line per finished or failed stage, for logs and pipes."""

    def __init__(self, console: Any) -> None:
        self.console, self.told, self.begin = console, set[str](), time.monotonic()
        self.state = _State()

    def __call__(self, plan: Plan, results: Results, missing: frozenset[str]) -> None:
        state = self.state
        state.look(plan, results, missing)
        for event in ENDS:
            for name in state.having(event):
                if name not in self.told:
                    self.told.add(name)
                    count = f"[{len(self.told)}/{len(state.stages)}]"
                    seconds = f"{time.monotonic() - self.begin:6.1f} s"
                    message = state.last[name].get("message", "")
                    self.console.print(f"{count:>8} {seconds}  {event:8} {name}  {message}", markup=False)


class _View:
    """The live view: a bar with the time left, what runs now, what ended last."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.seen: dict[str, float] = {}
        self.ended: list[tuple[str, str, float]] = []

    def draw(self, state: _State) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        clock = time.monotonic()
        running = state.having("started")
        for name in running:
            self.seen.setdefault(name, clock)
        for event in ENDS:
            for name in state.having(event):
                if all(name != other for other, _, _ in self.ended):
                    self.ended.append((name, event, clock - self.seen.get(name, clock)))
        total, done = len(state.stages), len(self.ended)
        elapsed = clock - self.begin
        left = f", about {elapsed / done * (total - done):.0f} s left" if done >= 3 else ""
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=total, completed=done, width=40),
            Text(f"{done} of {total} stages, {elapsed:.0f} s{left}"),
        )
        body = Table.grid(padding=(0, 2))
        for name, event, seconds in self.ended[-SHOWN_EVENTS:]:
            good = event == "finished"
            body.add_row(
                Text("done" if good else "failed", style="green" if good else "bold red"),
                Text(name),
                Text(f"{seconds:.1f} s", style="dim"),
            )
        for name in running:
            body.add_row(
                Text("runs", style="cyan"), Text(name), Text(f"{clock - self.seen[name]:.0f} s", style="dim")
            )
        return Group(head, body)
