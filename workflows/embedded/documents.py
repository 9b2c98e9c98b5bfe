"""Keep BSON documents in a `DocumentFile` behind the storage interface of mongomock.

Expiring (TTL) indexes are kept as definitions but expire nothing.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Literal

import bson
from bson import ObjectId
from pymongo.errors import DocumentTooLarge

from cosinter.workflows.embedded.store import DocumentFile, Entries, Found, Keys, Value

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""MongoDB's limit; above it FireWorks moves the result of a launch to GridFS."""
MAX_KEYED = 100
"""Longest $in that is looked up by scope or state (there are a dozen states)."""
INDEXED_FIELDS = ("launch_id", "fw_id", "launches", "nodes", "files_id", "archived_launches")
"""Top-level fields that can be looked up without reading all documents, the most selective first."""
SCOPE = "spec.results"
"""Field that many Fireworks of one origin share: those of one scope are found, and queued, without the others."""
KEYED = {SCOPE: "scope", "state": "state"}
ORDERED = {"spec._priority": "priority", "created_on": "created"}
"""Fields that documents can be looked up and sorted by, and their columns in the file."""

_UNINDEXED = b""  # stands for a value that is no integer, text or ObjectId; looked up always
_CREATED = ""  # definition of a collection that was created empty


class Document(dict[str, Any]):
    """A decoded document; a deep copy, taken before the first change, is decoded again (far cheaper)."""

    __slots__ = ("body", "n")

    def __init__(self, body: bytes, n: int = 0) -> None:
        super().__init__(bson.decode(body))
        self.body = body
        self.n = n

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return bson.decode(self.body)


def encoded(document: Mapping[str, Any]) -> bytes:
    """Encode a document; DocumentTooLarge above MongoDB's limit."""
    body = bson.encode(document)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise DocumentTooLarge(
            f"a document of {len(body)} bytes is larger than the {MAX_DOCUMENT_BYTES} bytes allowed; "
            "keep large results in files"
        )
    return body


def encoded_id(identifier: Any) -> bytes:
    """Encode an identifier so that equal ones (1 and 1.0, int32 and int64) are the same bytes."""
    if (
        isinstance(identifier, (int, float))
        and not isinstance(identifier, bool)
        and identifier == int(identifier)
    ):
        identifier = int(identifier)
    elif isinstance(identifier, Mapping):
        identifier = dict(identifier)
    return bson.encode({"_": identifier})


def _indexable(value: Any) -> Value | None:
    if isinstance(value, ObjectId):
        return value.binary
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    return None


def marks_of(document: Mapping[str, Any]) -> frozenset[tuple[str, Value]]:
    """Return the index entries of a document: one per field, or per element where the field is an array."""
    marks: set[tuple[str, Value]] = set()
    for field in INDEXED_FIELDS:
        if field in document:
            content = document[field]
            for element in content if isinstance(content, (list, tuple)) else [content]:
                value = _indexable(element)
                marks.add((field, _UNINDEXED if value is None else value))
    return frozenset(marks)


def queue_keys(document: Mapping[str, Any]) -> Keys:
    """Return what a document is queued by; b"" where a value of unusual type has to be looked at in every search."""
    state, created, spec = document.get("state"), document.get("created_on"), document.get("spec")
    scope = priority = None
    if isinstance(spec, dict):
        scope, priority = spec.get("results"), spec.get("_priority")
    elif spec is not None:
        return Keys(_UNINDEXED, _UNINDEXED)
    known_scope = scope if scope is None or isinstance(scope, str) else _UNINDEXED
    usual = all(value is None or isinstance(value, str) for value in (state, created))
    if not usual or not (priority is None or _is_number(priority)):
        return Keys(_UNINDEXED, known_scope)
    return Keys(state, known_scope, priority, created)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def entries_of(document: Mapping[str, Any]) -> Entries:
    """Return everything that a document is found by."""
    return Entries(marks_of(document), queue_keys(document))


def lookup(query: Mapping[str, Any]) -> dict[str, list[Value]]:
    """Find equalities (or $in) in a query that the file has an index for: by one field, or by scope and state."""
    for field in ("_id", *INDEXED_FIELDS):
        if field in query and (values := _values(field, query[field])) is not None:
            return {field: values}
    found = {field: _values(field, query[field]) for field in KEYED if field in query}
    return {field: values for field, values in found.items() if values is not None}


def _values(field: str, wanted: Any) -> list[Value] | None:
    if isinstance(wanted, Mapping):
        if set(wanted) != {"$in"}:
            return None
        candidates = list(wanted["$in"])
    else:
        candidates = [wanted]
    if field == "_id":
        unusual = (type(None), Mapping, list, tuple)
        if any(isinstance(c, unusual) or hasattr(c, "pattern") for c in candidates):
            return None
        return [encoded_id(c) for c in candidates]
    values = [value for value in map(_indexable, candidates) if value is not None]
    if len(values) < len(candidates) or (field in KEYED and len(values) > MAX_KEYED):
        return None
    return [*values, _UNINDEXED]


def queue_lookup(
    query: Mapping[str, Any], sort: Any
) -> tuple[dict[str, Value], list[tuple[str, int]]] | None:
    """Say which queue of the file answers a sorted query: equal values by column, and the order."""
    if not isinstance(sort, list) or any(field not in ORDERED for field, _ in sort):
        return None
    found = lookup(query)
    if "state" not in found or not all(len(values) == 2 for values in found.values()):
        return None
    return {KEYED[field]: values[0] for field, values in found.items()}, [
        (ORDERED[field], way) for field, way in sort
    ]


@functools.lru_cache(maxsize=64)  # a LaunchPad has six collections
def _indexes(definitions: tuple[tuple[str, bytes], ...]) -> tuple[dict[str, Any], ...]:
    found = tuple(bson.decode(body) for _, body in definitions)
    for definition in found:
        definition["key"] = [(field, direction) for field, direction in definition["key"]]
    return found


class CollectionStore:
    """What mongomock needs to know of one collection, straight from the file."""

    def __init__(self, file: DocumentFile, space: str) -> None:
        self.file = file
        self.space = space

    @property
    def is_empty(self) -> bool:
        """Say whether there is no document."""
        return not self.file.count(self.space)

    @property
    def is_created(self) -> bool:
        """Say whether there are documents or definitions."""
        return bool(self.file.definitions(self.space)) or not self.is_empty

    @property
    def documents(self) -> Generator[Document]:
        """All documents, in order of arrival."""
        return (Document(body, n) for n, body in self.file.select(self.space))

    def candidates(self, query: Mapping[str, Any]) -> list[Found]:
        """Whatever may match a query, in order of arrival."""
        found = lookup(query)
        if found.keys() <= KEYED.keys() and found:
            return self.file.select_keyed(self.space, {KEYED[f]: values for f, values in found.items()})
        return self.file.select(self.space, *next(iter(found.items()), ()))

    def queued(
        self, query: Mapping[str, Any], sort: Any, accept: Callable[[int, bytes], Document | None]
    ) -> Document | Literal[False] | None:
        """Return the first document in a sorted query that is accepted; False where no queue of the file answers it."""
        queue = queue_lookup(query, sort)
        if queue is None:
            return False
        wanted, order = queue
        choices = itertools.product(*((value, _UNINDEXED) for value in wanted.values()))
        unusual = [dict(zip(wanted, values, strict=True)) for values in choices][1:]
        if any(self.file.holds(self.space, one) for one in unusual):
            return False
        return self.file.first(self.space, wanted, order, accept)

    @property
    def unique_indexes(self) -> list[dict[str, Any]]:
        """Definitions of the unique indexes."""
        return [index for index in _indexes(tuple(self._definitions())) if index.get("unique")]

    def _definitions(self) -> Iterator[tuple[str, bytes]]:
        return ((name, body) for name, body in self.file.definitions(self.space).items() if name != _CREATED)

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """Index definitions by name; they live in the file, so unique ones hold in every process."""
        names = [name for name, _ in self._definitions()]
        return dict(zip(names, copy.deepcopy(_indexes(tuple(self._definitions()))), strict=True))

    @indexes.setter
    def indexes(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        with self.file.transaction():
            for name in self.indexes:
                self.file.undefine(self.space, name)
            for name, definition in definitions.items():
                self.create_index(name, definition)

    def create_index(self, name: str, definition: Mapping[str, Any]) -> None:
        """Keep an index definition."""
        pairs = [list(pair) for pair in definition["key"]]
        self.file.define(self.space, name, bson.encode({**definition, "key": pairs}))

    def drop_index(self, name: str) -> None:
        """Forget an index definition; KeyError where there is none."""
        if name not in self.indexes:
            raise KeyError(name)
        self.file.undefine(self.space, name)

    def create(self) -> None:
        """Keep the collection although it is empty."""
        self.file.define(self.space, _CREATED, b"")

    def drop(self) -> None:
        """Delete the documents and definitions."""
        self.file.drop(self.space)

    def __contains__(self, identifier: object) -> bool:
        return self.file.get(self.space, encoded_id(identifier)) is not None

    def __getitem__(self, identifier: object) -> Document:
        body = self.file.get(self.space, encoded_id(identifier))
        if body is None:
            raise KeyError(identifier)
        return Document(body)

    def __setitem__(self, identifier: object, document: Mapping[str, Any]) -> None:
        self.file.put(self.space, encoded_id(identifier), encoded(document), entries_of(document))

    def __delitem__(self, identifier: object) -> None:
        if not self.file.remove(self.space, encoded_id(identifier)):
            raise KeyError(identifier)

    def __len__(self) -> int:
        return self.file.count(self.space)


class DatabaseStore:
    """The collections of one database."""

    def __init__(self, file: DocumentFile, name: str) -> None:
        self.file = file
        self.name = name

    def __getitem__(self, collection: str) -> CollectionStore:
        return CollectionStore(self.file, f"{self.name}.{collection}")

    def __contains__(self, collection: str) -> bool:
        return self[collection].is_created

    def list_created_collection_names(self) -> list[str]:
        """Name the collections that exist."""
        prefix = f"{self.name}."
        return [space.removeprefix(prefix) for space in self.file.spaces() if space.startswith(prefix)]

    @property
    def _collections(self) -> list[str]:
        return self.list_created_collection_names()

    def create_collection(self, name: str) -> CollectionStore:
        """Make an empty collection."""
        store = self[name]
        store.create()
        return store

    def rename(self, name: str, new_name: str) -> None:
        """Give a collection a new name."""
        self.file.rename(f"{self.name}.{name}", f"{self.name}.{new_name}")

    @property
    def is_created(self) -> bool:
        """Say whether any collection exists."""
        return bool(self.list_created_collection_names())


class ServerStore:
    """The databases of one file."""

    def __init__(self, file: DocumentFile) -> None:
        self.file = file

    def __getitem__(self, name: str) -> DatabaseStore:
        return DatabaseStore(self.file, name)

    def __contains__(self, name: str) -> bool:
        return self[name].is_created

    def list_created_database_names(self) -> list[str]:
        """Name the databases that exist."""
        return sorted({space.partition(".")[0] for space in self.file.spaces()})
