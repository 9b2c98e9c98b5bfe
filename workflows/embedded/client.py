"""Speak MongoDB's language to a SQLite file: mongomock reads and changes documents, the file keeps them.

No document outlives one operation. mongomock changes documents in place, so every update runs inside one
transaction that writes back whatever was touched; claiming a document is thereby atomic over processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bson
import mongomock
import mongomock.filtering
from pymongo.errors import DuplicateKeyError

from cosinter.workflows.embedded.documents import (
    CollectionStore,
    DatabaseStore,
    Document,
    ServerStore,
    lookup,
)
from cosinter.workflows.embedded.store import open_file

# mongomock's hints claim that its classes are pymongo's, which hides what they are made of
_Collection: Any = mongomock.Collection
_Database: Any = mongomock.Database
_MongoClient: Any = mongomock.MongoClient
_helpers: Any = mongomock.helpers
_filter_applies: Any = mongomock.filtering.filter_applies


class _UpdateState(threading.local):
    writing = False
    touched: Document | None = None


class EmbeddedCollection(_Collection):  # type: ignore[misc]
    """A collection whose every write is one transaction of the file."""

    def __init__(self, database: Any, name: str, _db_store: DatabaseStore, **options: Any) -> None:
        super().__init__(database, name, _db_store=_db_store, **options)
        self._file = _db_store.file
        self._documents = _db_store[name]
        self._state = _UpdateState()

    @property
    def _store(self) -> CollectionStore:
        return self._documents

    def _bodies(self, query: Mapping[str, Any]) -> list[bytes]:
        bodies = self._file.select(self._documents.space, *(lookup(query) or ()))
        if not bodies:
            _filter_applies(query, {})  # a malformed query is an error also where nothing can match
        return bodies

    def _matching(self, query: Mapping[str, Any]) -> Iterator[Document]:
        bodies = self._bodies(query)
        return (document for document in map(Document, bodies) if _filter_applies(query, document))

    def _iter_documents(self, filter: Mapping[str, Any]) -> Iterator[Document]:
        writing, self._state.writing = self._state.writing, False
        return self._written_through(filter) if writing else self._matching(filter)

    def _written_through(self, query: Mapping[str, Any]) -> Iterator[Document]:
        for document in self._matching(query):
            self._state.touched = document
            yield document
            self._write_touched()

    def _write_touched(self) -> None:
        document, self._state.touched = self._state.touched, None
        if document is not None and bson.encode(document) != document.body:
            self._documents[document["_id"]] = document

    def _update(self, *args: Any, **kwargs: Any) -> Any:
        with self._file.transaction():
            self._state.writing = True
            try:
                result = super()._update(*args, **kwargs)
                self._write_touched()
            finally:
                self._state.writing, self._state.touched = False, None
            return result

    def _insert(self, *args: Any, **kwargs: Any) -> Any:
        with self._file.transaction():
            return super()._insert(*args, **kwargs)

    def _delete(self, *args: Any, **kwargs: Any) -> Any:
        with self._file.transaction():
            return super()._delete(*args, **kwargs)

    def _find_and_modify(self, *args: Any, **kwargs: Any) -> Any:
        with self._file.transaction():
            return super()._find_and_modify(*args, **kwargs)

    def create_index(self, *args: Any, **kwargs: Any) -> Any:
        """Define an index; a unique one is checked against what is there."""
        with self._file.transaction():
            return super().create_index(*args, **kwargs)

    def find_one(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the first match; without a sort the others are not even decoded."""
        simple = isinstance(filter, Mapping) and len(args) < 2 and set(kwargs) <= {"projection"}
        if not simple or self.codec_options.tz_aware:
            return super().find_one(filter, *args, **kwargs)
        projection = args[0] if args else kwargs.get("projection")
        for document in self._matching(_helpers.patch_datetime_awareness_in_document(filter)):
            return self._copy_only_fields(document, projection, dict)
        return None

    def _ensure_uniques(self, new_data: Mapping[str, Any]) -> None:
        for index in self._documents.indexes.values():
            if not index.get("unique"):
                continue
            query: dict[str, Any] = {}
            for field, _ in index["key"]:
                try:
                    query[field] = _helpers.get_value_by_dot(new_data, field)
                except KeyError:
                    query[field] = None
            if index.get("sparse") and all(value is None for value in query.values()):
                continue
            if index.get("partialFilterExpression") is not None:
                query = {"$and": [index["partialFilterExpression"], query]}
            if any(other["_id"] != new_data["_id"] for other in self._matching(query)):
                raise DuplicateKeyError("E11000 Duplicate Key Error", 11000)

    def _internalize_dict(self, d: Mapping[str, Any]) -> dict[str, Any]:
        return dict(d)  # encoded before the caller can change it

    def _copy_only_fields(self, doc: Any, fields: Any, container: Any) -> Any:
        if not fields and container is dict:
            return dict(doc)  # decoded for this call only
        return super()._copy_only_fields(doc, fields, container)

    def with_options(
        self,
        codec_options: Any = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> EmbeddedCollection:
        """Return the collection, or one with other codec options."""
        if codec_options is None or codec_options == self.codec_options:
            return self  # preferences and concerns of a replica set mean nothing for a file
        return type(self)(self.database, self.name, self._db_store, codec_options=codec_options)


class EmbeddedDatabase(_Database):  # type: ignore[misc]
    """A database whose collections are `EmbeddedCollection`."""

    def get_collection(
        self,
        name: str,
        codec_options: Any = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> EmbeddedCollection:
        """Return a collection by name."""
        if name not in self._collection_accesses:
            self._ensure_valid_collection_name(name)
            self._collection_accesses[name] = EmbeddedCollection(
                self,
                name,
                self._store,
                codec_options=self._codec_options,
                read_preference=self.read_preference,
            )
        found: EmbeddedCollection = self._collection_accesses[name]
        return found.with_options(codec_options=codec_options)

    def with_options(self, *args: Any, **kwargs: Any) -> EmbeddedDatabase:
        """Return the database itself: options of a replica set mean nothing for a file."""
        return self

    def rename_collection(self, *args: Any, **kwargs: Any) -> Any:
        """Give a collection a new name."""
        with self._store.file.transaction():
            return super().rename_collection(*args, **kwargs)


class EmbeddedClient(_MongoClient):  # type: ignore[misc]
    """A `pymongo.MongoClient` look-alike over one SQLite file."""

    def __init__(self, path: str | Path, *, allow_network: bool = False, tz_aware: bool = False) -> None:
        self.file = open_file(path, allow_network=allow_network)
        super().__init__(tz_aware=tz_aware, _store=ServerStore(self.file))

    @property
    def address(self) -> tuple[str, int | None]:
        """The file and no port."""
        return str(self.file.path), None

    def __repr__(self) -> str:
        return f"EmbeddedClient('{self.file.path}')"

    def get_database(
        self,
        name: str | None = None,
        codec_options: Any = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> EmbeddedDatabase:
        """Return a database by name; "fireworks" by default."""
        name = name or "fireworks"
        if name not in self._database_accesses:
            self._database_accesses[name] = EmbeddedDatabase(
                self, name, _store=self._store[name], codec_options=codec_options or self._codec_options
            )
        found: EmbeddedDatabase = self._database_accesses[name]
        return found
