"""The gallery: every picture has its command, every command its picture, and the commands run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cosinter.workflows.cli import app

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = re.findall(
    r"^    cosinter (plot .*)$", (DOCS / "gallery.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_pictures_and_commands_belong_together() -> None:
    shown = set(re.findall(r"\]\(gallery/([\w-]+\.png)\)", (DOCS / "gallery.md").read_text(encoding="utf-8")))
    made = {Path(shlex.split(command)[-1]).name for command in COMMANDS}
    assert shown == made
    assert shown == {path.name for path in (DOCS / "gallery").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_gallery_run(command, tmp_path) -> None:
    *arguments, picture = shlex.split(command)
    target = tmp_path / Path(picture).name
    result = CliRunner().invoke(app, [*arguments, str(target)])
    assert result.exit_code == 0, result.output
    assert target.stat().st_size > 10_000
