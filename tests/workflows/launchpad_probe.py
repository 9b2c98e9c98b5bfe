"""Tiny Firetasks for the tests of the launchpad; imported by name, so this folder must be on the path."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction, explicit_serialize


def append(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)


@explicit_serialize
class Note(FiretaskBase):  # type: ignore[misc]
    """Append a word to a file, after `sleep_s` seconds; note the start in `<file>.started`."""

    required_params = ["file", "word"]  # noqa: RUF012
    optional_params = ["sleep_s"]  # noqa: RUF012

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        append(self["file"] + ".started", self["word"])
        time.sleep(self.get("sleep_s", 0.0))
        append(self["file"], self["word"])
        return FWAction(stored_data={"word": self["word"]}, update_spec={"last": self["word"]})


@explicit_serialize
class FailUnless(FiretaskBase):  # type: ignore[misc]
    """Fail unless a file exists."""

    required_params = ["file"]  # noqa: RUF012

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        if not Path(self["file"]).exists():
            raise FileNotFoundError(self["file"])


@explicit_serialize
class Big(FiretaskBase):  # type: ignore[misc]
    """Store so many bytes in the launch."""

    required_params = ["bytes"]  # noqa: RUF012

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        return FWAction(stored_data={"big": "x" * self["bytes"]})
