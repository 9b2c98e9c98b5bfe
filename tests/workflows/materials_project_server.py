"""A small Materials Project on this machine: the API's own addresses, headers and documents, and its bad days.

Documents are what emmet's ThermoDoc writes; energies are real (PBE and PBE+U of the Materials Project, as shipped with
pymatgen), structures are our own crystals, corrections are written by pymatgen's MP2020.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "abcdefghijklmnopqrstuvwxyz012345"
FUNCTIONAL = "GGA_GGA+U"
#: Crystals of ours that stand for entries of pymatgen's list.
CRYSTALS = {
    "Li2O": "li2o",
    "Li2CO3": "li2co3",
    "LiOH": "lioh",
    "Al2O3": "al2o3",
    "NiO": "nio",
    "CoO": "coo",
    "MnO": "mno",
    "Co3O4": "co3o4",
    "AlPO4": "alpo4_berlinite",
    "Li": "li",
    "Ni": "ni",
    "Co": "co",
    "Mn": "mn",
    "Ti": "ti",
    "Al": "al",
    "P": "phosphorus",
    "C": "graphite",
}


def shipped_entries() -> dict[str, Any]:
    """Uncorrected entries of the Materials Project that ship with pymatgen, {formula: record}."""
    path = files("pymatgen.analysis.compatibility").joinpath("calc_compounds.json.gz")
    return dict(json.loads(gzip.decompress(path.read_bytes())))


def _molecule_in_a_box(element: str) -> Any:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice.cubic(8.0), [element] * 2, [[0, 0, 0], [0, 0, 0.1]])


@cache
def documents() -> tuple[dict[str, Any], ...]:
    """ThermoDocs of every crystal of :data:`CRYSTALS`, and of O2 and H2."""
    from pymatgen.core import Composition
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    from cosinter.structures.named import build

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen has no electronegativity for noble gases
        shipped = {Composition(key).reduced_formula: record for key, record in shipped_entries().items()}
        scheme = MaterialsProject2020Compatibility(check_potcar=False)
        for formula, name in (*CRYSTALS.items(), ("O2", ""), ("H2", "")):
            record = shipped[Composition(formula).reduced_formula]
            structure = build(name) if name else _molecule_in_a_box(formula[0])
            structure.remove_oxidation_states()
            per_atom = record["energy"] / sum(record["composition"].values())
            identity, run_type = record["entry_id"], record["parameters"]["run_type"]
            entry = ComputedStructureEntry(
                structure,
                per_atom * len(structure),
                parameters={
                    "run_type": run_type,
                    "is_hubbard": record["parameters"]["is_hubbard"],
                    "hubbards": record["parameters"]["hubbards"],
                    "potcar_spec": None,
                },
                data={
                    "oxide_type": record["data"]["oxide_type"],
                    "aspherical": True,
                    "last_updated": "2023-11-02 20:34:00+00:00",
                    "task_id": identity,
                    "material_id": identity,
                    "oxidation_states": {},
                    "license": "BY-C",
                    "run_type": run_type,
                },
                entry_id=f"{identity}-{run_type}",
            )
            scheme.process_entry(entry, inplace=True)
            found.append(_document(identity, run_type, entry))
    return tuple(found)


def _document(identity: str, run_type: str, entry: Any) -> dict[str, Any]:
    elements = sorted(str(element) for element in entry.composition.elements)
    return {
        "builder_meta": None,
        "nsites": len(entry.structure),
        "elements": elements,
        "nelements": len(elements),
        "composition": entry.composition.as_dict(),
        "composition_reduced": entry.composition.reduced_composition.as_dict(),
        "formula_pretty": entry.composition.reduced_formula,
        "formula_anonymous": entry.composition.anonymized_formula,
        "chemsys": "-".join(elements),
        "volume": entry.structure.volume,
        "property_name": "thermo",
        "material_id": identity,
        "deprecated": False,
        "last_updated": "2024-01-01T00:00:00Z",
        "origins": [],
        "warnings": [],
        "thermo_type": FUNCTIONAL,
        "thermo_id": f"{identity}_{FUNCTIONAL}",
        "uncorrected_energy_per_atom": entry.uncorrected_energy_per_atom,
        "energy_per_atom": entry.energy_per_atom,
        "energy_above_hull": 0.0,
        "is_stable": True,
        "energy_type": run_type,
        "entry_types": [run_type],
        "entries": {run_type: json.loads(json.dumps(entry.as_dict(), default=str))},
    }


@dataclass
class Service:
    """State of the server.

    Attributes
    ----------
    bad_days : faults that the next requests for entries meet, in order: ``429``, ``504``, ``401`` (any status, with a
        pause in seconds after a colon), ``reset``, ``cut``, ``garbage``, ``empty``, ``slow``, ``short``; ``fine``
    versions : database version of the next heartbeats that we ask for; the last one stays
    longest : characters of a list of chemical systems that are still accepted
    """

    documents: list[dict[str, Any]]
    bad_days: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=lambda: ["2025.09.25"])
    longest: int = 8000
    requests: list[list[str]] = field(default_factory=list)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _send(
        self, status: int, content: Any, headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/heartbeat"):
            self._heartbeat()
        elif not parts.path.startswith("/materials/thermo"):
            self._send(404, {"detail": "Not Found"})
        else:
            self._thermo({key: values[0] for key, values in parse_qs(parts.query).items()})

    def _heartbeat(self) -> None:
        versions = self.service.versions
        asked_by_us = "cosinter" in self.headers.get("user-agent", "")
        version = versions.pop(0) if asked_by_us and len(versions) > 1 else versions[0]
        self._send(
            200,
            {
                "status": "OK",
                "time": "2025-10-01T00:00:00",
                "api": "Materials",
                "version": "0.87.3",
                "db_version": version,
                "access_controlled_batch_ids": ["gnome_r2scan_statics"],
            },
        )

    def _thermo(self, query: dict[str, str]) -> None:
        if self.headers.get("x-api-key") != KEY:
            self._send(401, {"message": "Invalid authentication credentials"})
            return
        systems = query.get("chemsys", "").split(",")
        self.service.requests.append(systems)
        if len(query.get("chemsys", "")) > self.service.longest:
            self._send(414, b"<html><h1>414 Request-URI Too Large</h1></html>")
            return
        fault = self.service.bad_days.pop(0) if self.service.bad_days else "fine"
        if not self._misbehave(fault):
            self._answer(query, systems, fault)

    def _misbehave(self, fault: str) -> bool:
        status, _, pause = fault.partition(":")
        if status.isdigit():
            body = b"<html>504</html>" if status == "504" else {"message": "API rate limit exceeded"}
            self._send(int(status), body, {"Retry-After": pause} if pause else {})
        elif fault == "reset":
            self.close_connection = True
            self.connection.close()
        elif fault == "garbage":
            self._send(200, b'{"data": [{"thermo_type": "GGA')
        elif fault == "empty":
            self._send(200, {"meta": {"total_doc": 1}})
        else:
            if fault == "slow":
                time.sleep(1.5)
            return False
        return True

    def _answer(self, query: dict[str, str], systems: list[str], fault: str) -> None:
        wanted = set(query.get("thermo_types", FUNCTIONAL).split(","))
        chosen = [
            document
            for document in self.service.documents
            if document["chemsys"] in systems and document.get("served_as", FUNCTIONAL) in wanted
        ]
        skip, limit = int(query.get("_skip", 0)), int(query.get("_limit", 100))
        fields = query["_fields"].split(",")
        page = [{key: document[key] for key in fields} for document in chosen[skip : skip + limit]]
        content = {
            "data": page[:-1] if fault == "short" else page,
            "errors": None,
            "meta": {
                "api_version": "0.87.3",
                "time_stamp": "2025-10-01T00:00:00",
                "total_doc": len(chosen),
                "facet": None,
            },
        }
        self._send(200, content, cut=fault == "cut")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the game."""


@contextmanager
def running_service() -> Iterator[Service]:
    """Serve on a free port of this machine until the block ends."""
    service = Service(documents=json.loads(json.dumps(documents())))
    handler = type("Handler", (_Handler,), {"service": service})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    service.address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
