"""Look after a plan in a queue: submit what is ready, note what ended, send again what was lost.

The files of the results folder tell how a stage ended, the queue tells which jobs are alive, and the LaunchPad is
brought up to date from both. Killed at any moment, the next call goes on: a batch is written down before it is
submitted, and one without a job number is looked for in the queue by its name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import EngineError
from cosinter.workflows.addresses import Address
from cosinter.workflows.flows import Outcome, Watch, at_work, close
from cosinter.workflows.jobs import Job, add_stages, finish, our_jobs
from cosinter.workflows.launchpad import opened, recover_lost_runs
from cosinter.workflows.plan import Plan
from cosinter.workflows.queues.batch import (
    Batch,
    all_batches,
    close_batch,
    new_batch,
    note_job,
    open_batches,
    tries,
)
from cosinter.workflows.queues.endings import Ending, ending_of
from cosinter.workflows.queues.script import batch_script, submit
from cosinter.workflows.queues.settings import QueueSettings
from cosinter.workflows.queues.system import QueuedJob, QueueSilentError, jobs_of_user
from cosinter.workflows.resources import Resources, resources_of
from cosinter.workflows.results import Results, storage_errors, write_atomically

LOOK_S = 0.5
"""Time between two looks at the files, in seconds."""
GONE_LOOKS = 2
"""Answers of the queue in a row without a job before it counts as ended: files may arrive later than its end."""

Tell = Callable[[str], None]


@dataclass
class _Tender:
    """What is known while a plan is looked after; everything that matters is on disk as well."""

    plan: Plan
    results: Results
    launchpad: Any
    queue: QueueSettings
    wanted: Mapping[str, Resources]
    tell: Tell
    alive: Mapping[str, QueuedJob] = field(default_factory=dict)
    asked_at: float = float("-inf")
    answered: bool = False
    missed: dict[str, int] = field(default_factory=dict)

    # --- the queue --------------------------------------------------------------------------------------------

    def ask_queue(self) -> None:
        """Ask the queue, at most every `poll_s`; its silence is told and changes nothing."""
        self.answered = False
        if time.monotonic() - self.asked_at < self.queue.poll_s:
            return
        self.asked_at = time.monotonic()
        try:
            self.alive = jobs_of_user(self.queue.system)
            self.answered = True
        except QueueSilentError as error:
            self.tell(f"the queue does not answer, so nothing is taken for lost: {error}")

    def find_unsubmitted(self) -> None:
        """Give batches that were written down but have no job number their number, if the queue has it."""
        for batch in open_batches(self.results.root):
            if batch.job_id is None:
                found = next((job for job in self.alive.values() if job.name == batch.name), None)
                if found is not None:
                    note_job(batch, found.id)

    # --- what ended -------------------------------------------------------------------------------------------

    def note_ends(self) -> None:
        """Bring the LaunchPad up to date with the files and the queue's word; close batches that are over."""
        jobs = {job.stage: job for job in our_jobs(self.launchpad, self.results.root)}
        for batch in open_batches(self.results.root):
            gone = self._is_gone(batch)
            ends = {name: ending_of(self.results, batch, name, gone=gone) for name in batch.stages}
            for name, end in ends.items():
                if end is not None and name in jobs:
                    self._note(jobs[name], batch, end)
            if all(end is not None for end in ends.values()):
                close_batch(batch, {name: end.word for name, end in ends.items() if end is not None})

    def _is_gone(self, batch: Batch) -> bool:
        if batch.job_id in self.alive:
            self.missed.pop(batch.name, None)
        elif self.answered:
            self.missed[batch.name] = self.missed.get(batch.name, 0) + 1
        return self.missed.get(batch.name, 0) >= GONE_LOOKS

    def _note(self, job: Job, batch: Batch, end: Ending) -> None:
        if job.state not in ("RESERVED", "RUNNING") or job.launch_id is None:
            return  # it is noted already
        if end.word == "done":
            stored = {"key": batch.keys[job.stage], "job": batch.job_id}
            finish(self.launchpad, job.launch_id, stored=stored, state="COMPLETED")
        elif end.again and tries(self.results.root, job.stage) <= self.queue.retries:
            self.tell(f"{job.stage} is sent again: {end.message}")
            self.launchpad.cancel_reservation(job.launch_id)
        else:
            if not end.logged:
                key = batch.keys[job.stage]
                self.results.log(job.stage, event="failed", key=key, error="JobEnded", message=end.message)
            finish(self.launchpad, job.launch_id, stored={"_message": end.message}, state="FIZZLED")

    # --- what is sent -----------------------------------------------------------------------------------------

    def send_ready(self) -> None:
        """Submit stages that are READY, those of equal needs together, up to the cap."""
        root = self.results.root
        room = self.queue.max_queued - self._in_queue()
        ready = [job for job in our_jobs(self.launchpad, root) if job.state == "READY"]
        for resources, group in list(self._groups(ready))[: max(0, room)]:
            self._send(resources, group)

    def _in_queue(self) -> int:
        """Jobs that wait or run, as far as is known; one whose stages are all done may still be leaving."""
        batches = all_batches(self.results.root)
        return sum(not batch.closed or batch.job_id in self.alive for batch in batches)

    def _groups(self, ready: Sequence[Job]) -> Iterator[tuple[Resources, list[Job]]]:
        alike: dict[Resources, list[Job]] = {}
        for job in ready:
            wanted = resources_of(job.stage, self.queue.defaults, self.queue.stages, self.wanted)
            alike.setdefault(wanted, []).append(job)
        for resources, group in alike.items():
            size = resources.batch or 1
            for start in range(0, len(group), size):
                yield resources, group[start : start + size]

    def _send(self, resources: Resources, group: Sequence[Job]) -> None:
        from fireworks.core.fworker import FWorker

        keys = {job.stage: self.plan.keys[job.stage] for job in group}
        batch = new_batch(self.results.root, self.queue.system, keys, resources.model_dump(exclude_none=True))
        text = batch_script(
            self.queue, resources, name=batch.name, folder=batch.folder, stages=len(batch.stages)
        )
        with storage_errors(batch.root):
            write_atomically(batch.folder / "job.sh", text)
        worker = FWorker(name=self.queue.system)
        launches = [self.launchpad.reserve_fw(worker, str(batch.folder), fw_id=job.fw_id)[1] for job in group]
        try:
            job_id = submit(self.queue.system, batch.folder / "job.sh")
        except EngineError as error:
            for launch_id in launches:
                self.launchpad.cancel_reservation(launch_id)
            close_batch(batch, dict.fromkeys(batch.stages, "not submitted"))
            raise EngineError(
                f"job {batch.name} ({', '.join(batch.stages[:3])}) was refused: {error}"
            ) from error
        note_job(batch, job_id)
        for launch_id in launches:
            self.launchpad.set_reservation_id(launch_id, job_id)

    @property
    def over(self) -> bool:
        """True if nothing is in the queue and nothing can be sent."""
        return not open_batches(self.results.root) and not any(
            job.state == "READY" for job in our_jobs(self.launchpad, self.results.root)
        )


def tend_plan(
    plan: Plan,
    root: Path,
    *,
    queue: QueueSettings,
    address: Address,
    wanted: Mapping[str, Resources] | None = None,
    documents: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    tell: Tell = lambda text: None,
    once: bool = False,
) -> Outcome:
    """Take a plan through a queue: submit what is missing and stay until all has ended.

    Parameters
    ----------
    queue : what the site has.
    address : LaunchPad that keeps the order of the stages; the nodes never touch it.
    wanted : resources by pattern of stage names, from the study.
    documents : files to write beside plan.json.
    watch : see :func:`cosinter.workflows.flows.run_study`.
    tell : told in sentences what is sent again and when the queue is silent.
    once : one round, for calls from a timetable: note what ended, submit what is ready, leave.

    Raises
    ------
    InputError
        The folder is in use or cannot be written.
    EngineError
        The queue refused a job, or there is no queue here.
    """
    begin = time.perf_counter()
    results = Results(root)
    jobs_of_user(
        queue.system
    )  # a queue or a LaunchPad that cannot be used is told before anything is written
    with opened(address) as launchpad, at_work(plan, results, documents) as missing:
        tender = _Tender(plan, results, launchpad, queue, wanted or {}, tell)
        _take_up(tender, missing)
        while True:
            tender.ask_queue()
            tender.find_unsubmitted()
            tender.note_ends()
            tender.send_ready()
            if watch is not None:
                watch(plan, results, missing)
            if once or tender.over:
                break
            time.sleep(min(LOOK_S, queue.poll_s))
        return close(plan, results, missing, time.perf_counter() - begin)


def _take_up(tender: _Tender, missing: frozenset[str]) -> None:
    """Make the LaunchPad hold the missing stages, those in open batches as reserved for their jobs."""
    from fireworks.core.fworker import FWorker

    root, launchpad = tender.results.root, tender.launchpad
    batches = open_batches(root)
    for batch in batches:
        if any(tender.plan.keys.get(name) != key for name, key in batch.keys.items()):
            close_batch(batch, dict.fromkeys(batch.stages, "another plan"))
    known = {job.stage: job for job in our_jobs(launchpad, root)}
    if not batches or not missing <= set(known):
        recover_lost_runs(launchpad, root)
        if missing:
            add_stages(launchpad, tender.plan, tender.results, missing)
        known = {job.stage: job for job in our_jobs(launchpad, root)}
    for batch in open_batches(root):
        for name in batch.stages:
            if name in known and known[name].state == "READY":
                worker = FWorker(name=batch.system)
                _, launch_id = launchpad.reserve_fw(worker, str(batch.folder), fw_id=known[name].fw_id)
                if batch.job_id is not None:
                    launchpad.set_reservation_id(launch_id, batch.job_id)


def cancel_jobs(root: Path, stages: Sequence[str] | None = None) -> list[str]:
    """Cancel the queue's jobs of a results folder, or those that hold one of the ``stages``; their numbers.

    Raises
    ------
    EngineError
        The queue does not answer, or is not here.
    """
    from cosinter.workflows.queues.system import cancel_job

    cancelled = []
    for batch in open_batches(root):
        if batch.job_id is not None and (stages is None or set(stages) & set(batch.stages)):
            cancel_job(batch.system, batch.job_id)
            cancelled.append(batch.job_id)
    return cancelled
