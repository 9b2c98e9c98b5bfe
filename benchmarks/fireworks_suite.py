"""FireWorks' own tests on the embedded store, beside the store of its own embedded mode (mongomock_persistence).

    python -m benchmarks.fireworks_suite [--only WORD]

The tests and their data come from the source distribution of the installed version, which pip downloads into a
temporary folder. The peer is left out where mongomock_persistence is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

PEER = "mongomock_persistence"
FOLDERS = ("core", "user_objects", "utilities", "scripts", "features", "queue", "tests")
LIMIT_S = 1800.0

EMBEDDED = """
import os
from pathlib import Path

from cosinter.workflows.embedded import methods
from cosinter.workflows.embedded.client import EmbeddedClient

methods.install()
from fireworks import fw_config
from fireworks.core import launchpad
from fireworks.utilities import filepad


def client(*arguments, **options):
    return EmbeddedClient(os.environ["SUITE_STORE"])


for module in (fw_config, launchpad, filepad):
    module.MongoClient = client
"""
"""A plugin of pytest that opens the store wherever a test asks for a MongoDB server."""


@dataclass(frozen=True)
class Score:
    """How the tests of one run ended."""

    passed: frozenset[str]
    failed: frozenset[str]
    skipped: frozenset[str]
    seconds: float


def download(folder: Path) -> Path:
    """Fetch the source distribution of the installed FireWorks."""
    version = metadata.version("fireworks")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, f"fireworks=={version}"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise SystemExit(f"pip could not download FireWorks {version}: {reason}")
    return archives[0]


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a source distribution; return its top folder."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if (path / "fireworks").is_dir())


def run(source: Path, folder: Path, options: Sequence[str], environment: dict[str, str]) -> Score:
    """Run the tests below ``source`` in a process of their own."""
    report = folder / "report.xml"
    paths = [str(source / "fireworks" / name) for name in FOLDERS if (source / "fireworks" / name).is_dir()]
    patterns = ["-o", "python_files=test_*.py mongo_tests.py master_tests.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    command += ["--continue-on-collection-errors"]
    command += [f"--rootdir={source}", f"--junitxml={report}", *patterns, *options, *paths]
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    seconds = time.perf_counter() - begin
    if not report.exists():
        raise SystemExit(f"the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return _score(report, seconds)


def _score(report: Path, seconds: float) -> Score:
    ended: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').split('.')[-1]}::{case.get('name')}"
        marks = {child.tag for child in case}
        if any("ModuleNotFoundError" in (child.text or "") for child in case.iter("error")):
            marks = {"skipped"}  # the module needs an optional package that is not here
        state = "failed" if marks & {"failure", "error"} else "skipped" if "skipped" in marks else "passed"
        ended[state].add(name)
    return Score(*(frozenset(ended[state]) for state in ("passed", "failed", "skipped")), seconds)


def on_embedded(source: Path, folder: Path, options: Sequence[str]) -> Score:
    """Run the tests on the embedded store."""
    (folder / "embedded_suite_plugin.py").write_text(EMBEDDED)
    environment = {
        "PYTHONPATH": _path(source, folder),
        "SUITE_STORE": str(folder / "suite.db"),
    }
    return run(source, folder, ["-p", "embedded_suite_plugin", *options], environment)


def on_peer(source: Path, folder: Path, options: Sequence[str]) -> Score:
    """Run the tests as FireWorks runs them without a server."""
    store = folder / "peer.json"
    store.write_text("{}")
    environment = {"PYTHONPATH": _path(source, folder), "MONGOMOCK_SERVERSTORE_FILE": str(store)}
    return run(source, folder, options, environment)


def _path(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


def main() -> int:
    """Print both scores; the exit status is 1 if a test fails on the embedded store."""
    parser = argparse.ArgumentParser("python -m benchmarks.fireworks_suite", description=__doc__)
    parser.add_argument("--only", default="", help="run only the tests whose name contains this")
    given = parser.parse_args()
    if given.only and not re.fullmatch(r"\w+", given.only):
        parser.error(f"--only '{given.only}' is no word; give a part of a test's name")
    options = ["-k", given.only] if given.only else []
    with tempfile.TemporaryDirectory() as place:
        archive = download(Path(place))
        scores = {}
        for name, function in (("embedded store", on_embedded), (PEER, on_peer)):
            if name == PEER and importlib.util.find_spec(PEER) is None:
                print(f"{PEER} is left out, since it is not installed ('pip install {PEER}')")
                continue
            folder = Path(place) / name.split()[0]
            folder.mkdir()
            scores[name] = function(unpack(archive, folder), folder, options)
    print(f"FireWorks {metadata.version('fireworks')}: its own tests\n")
    print(f"{'store':24} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for name, score in scores.items():
        counts = f"{len(score.passed):7} {len(score.failed):7} {len(score.skipped):8}"
        print(f"{name:24} {counts} {score.seconds:8.0f}")
    for name, score in scores.items():
        for test in sorted(score.failed):
            print(f"failed on {name}: {test}")
    return int(bool(scores["embedded store"].failed))


if __name__ == "__main__":
    raise SystemExit(main())
