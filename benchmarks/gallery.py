"""Draw the pictures of docs/gallery.md again: ``python -m benchmarks.gallery``, from the root of the repository."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path


def commands(page: Path) -> list[list[str]]:
    """The plot commands of the page, in order."""
    found = re.findall(r"^    cosinter (plot .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(command) for command in found]


def main() -> None:
    """Run every command; stop at the first that fails."""
    program = "from cosinter.workflows.cli import main; main()"
    for arguments in commands(Path("docs/gallery.md")):
        print("cosinter", shlex.join(arguments), flush=True)
        subprocess.run([sys.executable, "-c", program, *arguments], check=True)


if __name__ == "__main__":
    main()
