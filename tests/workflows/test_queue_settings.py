"""Queue files, resources and scripts: nothing that a study says can add a line to a script."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cosinter.data.exceptions import InputError, StudyError, UnknownNameError
from cosinter.workflows.model_file import parse_model
from cosinter.workflows.queues.script import batch_script, walltime
from cosinter.workflows.queues.settings import SYSTEMS, QueueSettings, load_queue, queue_template
from cosinter.workflows.queues.system import SYSTEMS as COMMANDS
from cosinter.workflows.resources import MODEST, Resources, resources_of
from cosinter.workflows.study import Study
from cosinter.workflows.study_plan import make_plan

FOLDER = Path("/results/a study/queue/cs12345678")
DIRECTIVES = {"slurm": "#SBATCH ", "pbs": "#PBS ", "sge": "#$ ", "lsf": "#BSUB "}


def script(system: Any, resources: Resources = MODEST, stages: int = 1, **settings: Any) -> list[str]:
    queue = QueueSettings(system=system, **settings)
    text = batch_script(queue, resources, name="cs12345678", folder=FOLDER, stages=stages)
    return [line for line in text.splitlines() if line]


def refuse(text: str) -> str:
    with pytest.raises(StudyError) as refused:
        parse_model(text, QueueSettings, name="q.yaml", kind="queue", example="at least a system")
    return str(refused.value)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_shipped_templates_are_valid_and_name_their_system(system: str, tmp_path: Path) -> None:
    path = tmp_path / "queue.yaml"
    path.write_text(queue_template(system), encoding="utf-8")
    assert load_queue(path).system == system


def test_mistakes_in_a_queue_file_are_one_sentence() -> None:
    assert "did you mean 'max_queued'?" in refuse("system: slurm\nmaxqueued: 3")
    assert "line 3" in refuse("system: slurm\ndefaults:\n  cores: 0")
    assert "did you mean 'cores'?" in refuse("system: slurm\nstages:\n  'relax-*': {core: 1}")
    assert "'slurm', 'pbs'" in refuse("system: condor")
    assert "key 'system' is missing" in refuse("max_queued: 3")
    assert "setup" in refuse('system: slurm\nsetup: ["a\\nb"]')
    assert "setup" in refuse("system: slurm\nsetup: ['#SBATCH --account=other']")
    with pytest.raises(UnknownNameError, match="slurm"):
        queue_template("slurmm")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_script_says_what_was_asked_and_ends_with_the_job_itself(system: Any) -> None:
    wanted = Resources(cores=4, memory_GB=8.0, wall_h=1.5, partition="short", account="me").over(MODEST)
    lines = script(system, wanted, stages=2, setup=("module load python",))
    assert lines[0] == "#!/bin/bash"
    assert shlex.split(lines[-1])[0] == "exec"
    assert shlex.split(lines[-1])[-1] == str(FOLDER)
    assert lines[-3] == "module load python"
    text = "\n".join(lines)
    asked = {
        "slurm": ("--cpus-per-task=4", "--mem=8000M", "--time=03:00:00", "--partition=short", "--account=me"),
        "pbs": ("select=1:ncpus=4:mem=8000mb", "walltime=03:00:00", "-q short", "-A me"),
        "sge": ("-pe smp 4", "h_vmem=2000M", "h_rt=03:00:00", "-q short", "-P me"),
        "lsf": ("-n 4", "-M 8000MB", "-W 3:00", "-q short", "-P me"),
    }[system]
    assert all(word in text for word in asked)
    assert "$$" not in text


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_not_given_leaves_no_line(system: Any) -> None:
    text = "\n".join(script(system)[:-1])  # the directives
    assert not re.search(r"partition|account| -q | -[AP] |qos|-pe ", text)


def test_the_most_special_and_latest_wins() -> None:
    found = resources_of(
        "relax-nio",
        Resources(memory_GB=1.0, partition="site"),
        {"relax-*": Resources(cores=2), "*-nio": Resources(cores=3)},
        {"relax-nio": Resources(wall_h=9.0)},
    )
    assert found == Resources(cores=3, memory_GB=1.0, wall_h=9.0, partition="site", batch=1)
    assert resources_of("sinter-a", {"relax-*": Resources(cores=2)}) == MODEST


@given(st.floats(min_value=1e-3, max_value=1e4))
def test_a_wall_time_is_never_shorter_than_asked(hours: float) -> None:
    h, m, s = map(int, walltime(hours, "slurm").split(":"))
    assert -1e-5 <= h * 3600 + m * 60 + s - hours * 3600.0 < 1.0 + 1e-5
    h, m = map(int, walltime(hours, "lsf").split(":"))
    assert -1e-5 <= h * 60 + m - hours * 60.0 < 1.0 + 1.0 / 60.0 + 1e-5


ANYTHING = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["a; rm -rf .", "a\n#SBATCH -A b", "$(id)", "`id`", "$HOME", "a b", "#", "$$x", "a|b", "ä"]
    ),
)


@given(st.sampled_from(SYSTEMS), ANYTHING, ANYTHING, ANYTHING)
def test_no_field_of_a_study_adds_a_line_or_a_command(
    system: Any, partition: str, account: str, pattern: str
) -> None:
    try:
        wanted = Resources(partition=partition, account=account).over(MODEST)
        study = Study.model_validate({"name": "a", "resources": {pattern: {"partition": partition}}})
    except (ValidationError, InputError):
        return
    assert all(re.fullmatch(r"[\w*?._+-]+", name, re.ASCII) for name in study.resources)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lines = script(system, wanted)
    plain = script(system, Resources(partition="p", account="q").over(MODEST))
    assert len(lines) == len(plain)
    assert sum(line.startswith(DIRECTIVES[system]) for line in lines) == len(lines) - 3
    assert [line for line in lines if not line.startswith("#")] == [
        line for line in plain if not line.startswith("#")
    ]


@given(st.text(min_size=1, max_size=30))
def test_any_folder_is_quoted_or_refused(name: str) -> None:
    folder = Path("/results") / name.replace("/", "_").replace("\0", "_")
    queue = QueueSettings(system="slurm")
    try:
        text = batch_script(queue, MODEST, name="cs1", folder=folder, stages=1)
    except InputError:
        return
    assert shlex.split(text.splitlines()[-1])[-1] == str(folder)
    assert len(text.splitlines()) == len(
        batch_script(queue, MODEST, name="c", folder=FOLDER, stages=1).splitlines()
    )


def test_resources_change_no_key() -> None:
    plain = Study(name="a")
    more = Study.model_validate({"name": "a", "resources": {"*": {"cores": 8}}})
    assert make_plan(plain).keys == make_plan(more).keys


@given(st.dictionaries(st.text(max_size=10), st.one_of(st.integers(), st.text(max_size=10), st.booleans())))
def test_any_mapping_is_a_queue_file_or_one_sentence(content: dict[str, Any]) -> None:
    text = yaml.safe_dump({"system": "slurm", **content}, allow_unicode=True)
    try:
        parse_model(text, QueueSettings, name="q.yaml", kind="queue", example="a system")
    except StudyError as error:
        assert len(str(error).splitlines()) == 1


LISTINGS = {
    "slurm": ("12|cs0|RUNNING\n13|cs1|PENDING\n14|x|COMPLETED\n", {"12": "cs0", "13": "cs1"}),
    "pbs": (
        "\nserver:\n                                       Req'd\nJob ID  Username Queue Jobname "
        "SessID NDS TSK Memory Time S Time\n"
        "------- -------- ----- ------- ------ --- --- ------ ---- - ----\n"
        "12.server me workq cs0 111 1 1 4gb 02:00 R 00:01\n13.server me workq cs1 -- 1 1 4gb 02:00 Q --\n"
        "14.server me workq x 112 1 1 4gb 02:00 C 00:01\n",
        {"12": "cs0", "13": "cs1"},
    ),
    "sge": (
        "job-ID  prior   name       user         state submit/start at     queue     slots ja-task-ID\n"
        "-------------------------------------------------------------------------------------------\n"
        "     12 0.55500 cs0        me           r     11/24/2026 10:00:00 all.q@a   1\n"
        "     13 0.55500 cs1        me           qw    11/24/2026 10:00:00           1\n",
        {"12": "cs0", "13": "cs1"},
    ),
    "lsf": ("12 cs0 RUN\n13 cs1 PEND\n14 x DONE\n15 x EXIT\n", {"12": "cs0", "13": "cs1"}),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_listings_are_read(system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cosinter.workflows.queues.system import jobs_of_user

    text, expected = LISTINGS[system]
    command = tmp_path / COMMANDS[system].list_command("me")[0]
    (tmp_path / "listing").write_text(text, encoding="utf-8")
    command.write_text(f'#!/bin/sh\ncat "{tmp_path / "listing"}"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert {job.id: job.name for job in jobs_of_user(system).values()} == expected
