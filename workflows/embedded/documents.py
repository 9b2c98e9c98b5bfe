"""Keep BSON documents in a `DocumentFile` behind the storage interface of mongomock.

Expiring (TTL) indexes are kept as definitions but expire nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import bson
from bson import ObjectId
from pymongo.errors import DocumentTooLarge

from cosinter.workflows.embedded.store import DocumentFile, Value

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""MongoDB's limit; above it FireWorks moves the result of a launch to GridFS."""
INDEXED_FIELDS = ("launch_id", "fw_id", "launches", "nodes", "files_id", "archived_launches", "state")
"""Top-level fields that can be looked up without reading all documents, the most selective first."""

_UNINDEXED = b""  # stands for a value that is no integer, text or ObjectId; looked up always
_CREATED = ""  # definition of a collection that was created empty


class Document(dict[str, Any]):
    """A decoded document; a deep copy, taken before the first change, is decoded again (far cheaper)."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        super().__init__(bson.decode(body))
        self.body = body

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return bson.decode(self.body)


def _encoded_id(identifier: Any) -> bytes:
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


def _marks(document: Mapping[str, Any]) -> set[tuple[str, Value]]:
    """Return the index entries of a document: one per field, or per element where the field is an array."""
    marks: set[tuple[str, Value]] = set()
    for field in INDEXED_FIELDS:
        if field in document:
            content = document[field]
            for element in content if isinstance(content, (list, tuple)) else [content]:
                value = _indexable(element)
                marks.add((field, _UNINDEXED if value is None else value))
    return marks


def lookup(query: Mapping[str, Any]) -> tuple[str, list[Value]] | None:
    """Find an equality (or $in) in a query that the file has an index for."""
    for field in ("_id", *INDEXED_FIELDS):
        if field not in query:
            continue
        wanted = query[field]
        if isinstance(wanted, Mapping):
            if set(wanted) != {"$in"}:
                continue
            candidates = list(wanted["$in"])
        else:
            candidates = [wanted]
        if field == "_id":
            if not any(
                c is None or isinstance(c, (Mapping, list, tuple)) or hasattr(c, "pattern")
                for c in candidates
            ):
                return field, [_encoded_id(c) for c in candidates]
            continue
        values = [value for value in map(_indexable, candidates) if value is not None]
        if len(values) == len(candidates):
            return field, [*values, _UNINDEXED]
    return None


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
        return (Document(body) for body in self.file.select(self.space))

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """Index definitions by name; they live in the file, so unique ones hold in every process."""
        found = {}
        for name, body in self.file.definitions(self.space).items():
            if name != _CREATED:
                definition = bson.decode(body)
                definition["key"] = [(field, direction) for field, direction in definition["key"]]
                found[name] = definition
        return found

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
        return self.file.get(self.space, _encoded_id(identifier)) is not None

    def __getitem__(self, identifier: object) -> Document:
        body = self.file.get(self.space, _encoded_id(identifier))
        if body is None:
            raise KeyError(identifier)
        return Document(body)

    def __setitem__(self, identifier: object, document: Mapping[str, Any]) -> None:
        body = bson.encode(document)
        if len(body) > MAX_DOCUMENT_BYTES:
            raise DocumentTooLarge(
                f"a document of {len(body)} bytes is larger than the {MAX_DOCUMENT_BYTES} bytes allowed; "
                "keep large results in files"
            )
        self.file.put(self.space, _encoded_id(identifier), body, _marks(document))

    def __delitem__(self, identifier: object) -> None:
        if not self.file.remove(self.space, _encoded_id(identifier)):
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
