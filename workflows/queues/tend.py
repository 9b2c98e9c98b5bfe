"""Look after a plan in a queue: submit what is ready, note what ended, send again what was lost.

The files of the results folder tell how a stage ended, the queue tells which jobs are alive, and the LaunchPad is
brought up to date from both. Killed at any moment, the next call goes on: a batch is written down before it is
submitted, and one without a job number is looked for in the queue by its name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosinter.data.exceptions import EngineError
from cosinter.workflows.addresses import Address
from cosinter.workflows.flows import Outcome, Watch, at_work, close
from cosinter.workflows.jobs import Job, add_stages, archive_left, finish, our_jobs
from cosinter.workflows.launchpad import opened, recover_lost_runs
from cosinter.workflows.plan import Plan
from cosinter.workflows.queues.batch import (
    Batch,
    all_batches,
    close_batch,
    losses,
    new_batch,
    note_job,
    open_batches,
)
from cosinter.workflows.queues.endings import Ending, ending_of
from cosinter.workflows.queues.script import batch_script, submit
from cosinter.workflows.queues.settings import QueueSettings
from cosinter.workflows.queues.system import (
    QueuedJob,
    QueueSilentError,
    QueueUnclearError,
    cancel_job,
    jobs_of_user,
)
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
    batches: dict[str, Batch] = field(default_factory=dict)
    alive: Mapping[str, QueuedJob] = field(default_factory=dict)
    asked_at: float = float("-inf")
    answered: bool = False
    silent: bool = False
    missed: dict[str, int] = field(default_factory=dict)
    refused_beside: frozenset[str] = frozenset()

    # --- the queue --------------------------------------------------------------------------------------------

    def ask_queue(self, *, at_once: bool = False) -> None:
        """Ask the queue, at most every `poll_s`; its silence is told and changes nothing."""
        self.answered = False
        if not at_once and time.monotonic() - self.asked_at < self.queue.poll_s:
            return
        self.asked_at = time.monotonic()
        try:
            self.alive = jobs_of_user(self.queue.system)
            self.answered, self.silent = True, False
        except QueueSilentError as error:
            self.silent = True
            self.tell(f"the queue does not answer, so nothing is taken for lost: {error}")

    def find_unsubmitted(self) -> None:
        """Give batches that were written down but have no job number their number, if the queue has it."""
        for batch in self.open:
            if batch.job_id is None:
                found = next((job for job in self.alive.values() if job.name == batch.name), None)
                if found is not None:
                    self.batches[batch.name] = note_job(batch, found.id)

    @property
    def open(self) -> list[Batch]:
        """Batches whose end has not been noted yet, oldest first."""
        return [batch for batch in self.batches.values() if not batch.closed]

    def close(self, batch: Batch, ends: Mapping[str, str]) -> None:
        """Write down how the stages of a batch ended."""
        self.batches[batch.name] = close_batch(batch, ends)

    # --- what ended -------------------------------------------------------------------------------------------

    def note_ends(self) -> None:
        """Bring the LaunchPad up to date with the files and the queue's word; close batches that are over."""
        jobs = {job.stage: job for job in our_jobs(self.launchpad, self.results.root)}
        for batch in self.open:
            gone = self._is_gone(batch)
            words = {}
            for name in batch.stages:
                end = ending_of(self.results, batch, name, gone=gone)
                if end is None:
                    continue
                end = self._unless_too_often(end, batch, name)
                words[name] = end.word
                if name in jobs:
                    self._note(jobs[name], batch, end)
            if len(words) == len(batch.stages):
                self.close(batch, words)

    def _unless_too_often(self, end: Ending, batch: Batch, stage: str) -> Ending:
        """What was lost once too often has failed."""
        if (
            end.word == "lost"
            and losses(self.batches.values(), stage, batch.keys[stage]) >= self.queue.retries
        ):
            return Ending("failed", end.message)
        return end

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
        elif end.word == "lost":
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
        if self.refused_beside and self.refused_beside <= {batch.name for batch in self.open}:
            return  # nothing has left the queue since it refused a job
        room = self.queue.max_queued - self._in_queue()
        for resources, group in self._groups(self._ready())[: max(0, room)]:
            if not self._send(resources, group):
                return
        self.refused_beside = frozenset()

    def _ready(self) -> list[Job]:
        return [job for job in our_jobs(self.launchpad, self.results.root) if job.state == "READY"]

    def _in_queue(self) -> int:
        """Jobs that wait or run, as far as is known; one whose stages are all done may still be leaving."""
        return sum(not batch.closed or batch.job_id in self.alive for batch in self.batches.values())

    def _groups(self, ready: Sequence[Job]) -> list[tuple[Resources, list[Job]]]:
        """Stages of one job each, those that come first in the plan first."""
        groups: list[tuple[Resources, list[Job]]] = []
        filling: dict[Resources, list[Job]] = {}
        for job in ready:
            wanted = resources_of(job.stage, self.queue.defaults, self.queue.stages, self.wanted)
            if len(filling.get(wanted, ())) % (wanted.batch or 1) == 0:
                filling[wanted] = []
                groups.append((wanted, filling[wanted]))
            filling[wanted].append(job)
        return groups

    def _send(self, resources: Resources, group: Sequence[Job]) -> bool:
        """Submit a job for some stages; False if there is no room for it at the moment."""
        from fireworks.core.fworker import FWorker

        keys = {job.stage: self.plan.keys[job.stage] for job in group}
        batch = new_batch(self.results.root, self.queue.system, keys, resources)
        self.batches[batch.name] = batch
        text = batch_script(
            self.queue, resources, name=batch.name, folder=batch.folder, stages=len(batch.stages)
        )
        with storage_errors(batch.root):
            write_atomically(batch.folder / "job.sh", text)
        worker = FWorker(name=self.queue.system)
        launches = [self.launchpad.reserve_fw(worker, str(batch.folder), fw_id=job.fw_id)[1] for job in group]
        try:
            job_id = submit(self.queue.system, batch.folder / "job.sh")
        except QueueUnclearError as error:
            self.tell(f"whether the queue took job {batch.name} is looked up by its name: {error}")
            return False
        except EngineError as error:
            self._refused(batch, launches, error)
            return False
        self.batches[batch.name] = note_job(batch, job_id)
        for launch_id in launches:
            self.launchpad.set_reservation_id(launch_id, job_id)
        return True

    def _refused(self, batch: Batch, launches: Sequence[int], error: EngineError) -> None:
        """Take a job back; it is tried again when another one has left the queue, if there is one."""
        for launch_id in launches:
            self.launchpad.cancel_reservation(launch_id)
        self.close(batch, dict.fromkeys(batch.stages, "not submitted"))
        text = f"job {batch.name} ({', '.join(batch.stages[:3])}) was refused: {error}"
        self.refused_beside = frozenset(other.name for other in self.open)
        if not self.refused_beside:
            raise EngineError(text) from error
        self.tell(f"{text}; it is sent again when another job has left the queue")

    @property
    def over(self) -> bool:
        """True if nothing is in the queue and nothing can be sent."""
        return not self.open and not self._ready()

    @property
    def in_doubt(self) -> bool:
        """True if a job was missing in the queue's last answer and the next answer will settle whether it ended."""
        return not self.silent and any(batch.name in self.missed for batch in self.open)


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
    again: bool = True,
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
    again : also send stages that failed in an earlier call.

    Raises
    ------
    InputError
        The folder is in use or cannot be written.
    EngineError
        The queue refused a job, or there is no queue here.
    """
    begin = time.perf_counter()
    results = Results(root)
    jobs_of_user(queue.system)  # a queue that cannot be used is told before anything is written
    with opened(address) as launchpad, at_work(plan, results, documents) as missing:
        batches = {batch.name: batch for batch in all_batches(results.root)}
        tender = _Tender(plan, results, launchpad, queue, wanted or {}, tell, batches)
        _forget_other_plans(tender)
        _take_up(tender, missing, again=again)
        while True:
            tender.ask_queue()
            tender.find_unsubmitted()
            tender.note_ends()
            tender.send_ready()
            if watch is not None:
                watch(plan, results, missing)
            if tender.over or (once and not tender.in_doubt):
                break
            time.sleep(min(LOOK_S, queue.poll_s))
        return close(plan, results, missing, time.perf_counter() - begin)


def _forget_other_plans(tender: _Tender) -> None:
    """Cancel and close the jobs of stages whose inputs are others by now."""
    for batch in tender.open:
        if any(tender.plan.keys.get(name) != key for name, key in batch.keys.items()):
            numbers = _cancel([batch])
            more = f"; job {numbers[0]} is cancelled" if numbers else ""
            tender.tell(f"the plan of {', '.join(batch.stages[:3])} has changed{more}")
            tender.close(batch, dict.fromkeys(batch.stages, "another plan"))


def _take_up(tender: _Tender, missing: frozenset[str], *, again: bool) -> None:
    """Make the LaunchPad hold the missing stages, those in open batches as reserved for their jobs."""
    from fireworks.core.fworker import FWorker

    root, launchpad = tender.results.root, tender.launchpad
    submitted = {name for batch in tender.open for name in batch.stages}
    known = {job.stage: job for job in our_jobs(launchpad, root)}
    if not _holds(known, missing, submitted, again=again):
        recover_lost_runs(launchpad, root)
        if missing:
            add_stages(launchpad, tender.plan, tender.results, missing)
        else:
            archive_left(launchpad, root)
        known = {job.stage: job for job in our_jobs(launchpad, root)}
    for batch in tender.open:
        for name in batch.stages:
            if name in known and known[name].state == "READY":
                worker = FWorker(name=batch.system)
                _, launch_id = launchpad.reserve_fw(worker, str(batch.folder), fw_id=known[name].fw_id)
                if batch.job_id is not None:
                    launchpad.set_reservation_id(launch_id, batch.job_id)


def _holds(known: Mapping[str, Job], missing: Set[str], submitted: Set[str], *, again: bool) -> bool:
    """Say whether the LaunchPad holds the missing stages as they are, so that it need not be filled anew."""
    for name in missing:
        state = known[name].state if name in known else None
        at_work = state in ("RESERVED", "RUNNING")
        if state in (None, "COMPLETED") or (at_work and name not in submitted):
            return False
        if again and not at_work and state not in ("READY", "WAITING"):
            return False
    return all(job.stage in missing for job in known.values() if job.state in ("READY", "WAITING"))


def cancel_jobs(root: Path, stages: Sequence[str] | None = None) -> list[str]:
    """Cancel the queue's jobs of a results folder, or those that hold one of the ``stages``; their numbers.

    Raises
    ------
    EngineError
        The queue does not answer, or is not here.
    """
    return _cancel(
        [batch for batch in open_batches(root) if stages is None or set(stages) & set(batch.stages)]
    )


def _cancel(batches: Sequence[Batch]) -> list[str]:
    """Cancel those jobs of batches that are in the queue under their name, whatever number a file says."""
    cancelled = []
    for system in {batch.system for batch in batches}:
        names = {batch.name for batch in batches if batch.system == system}
        for job in jobs_of_user(system).values():
            if job.name in names:
                cancel_job(system, job.id)
                cancelled.append(job.id)
    return cancelled
