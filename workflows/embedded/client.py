"""Speak MongoDB's language to a SQLite file: mongomock reads and changes documents, the file keeps them.

No document outlives one operation. mongomock changes documents in place, so every update runs inside one
transaction that writes back whatever was touched; claiming a document is thereby atomic over processes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import mongomock
import mongomock.aggregate
import mongomock.collection
import mongomock.filtering
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, WriteError

from cosinter.workflows.embedded.documents import (
    CollectionStore,
    DatabaseStore,
    Document,
    ServerStore,
    encoded,
    encoded_id,
    entries_of,
    marks_of,
)
from cosinter.workflows.embedded.store import open_file

# mongomock's hints claim that its classes are pymongo's, which hides what they are made of
_Collection: Any = mongomock.Collection
_Database: Any = mongomock.Database
_MongoClient: Any = mongomock.MongoClient
_helpers: Any = mongomock.helpers
_filter_applies: Any = mongomock.filtering.filter_applies
_check_fields: Any = mongomock.collection._validate_data_fields
_dates_as_kept: Any = _helpers.patch_datetime_awareness_in_document
_process_pipeline: Any = mongomock.aggregate.process_pipeline

# these compare nothing with dates, which encoding rounds as MongoDB does
_PLAIN = frozenset({"$set", "$unset", "$inc"})


class _UpdateState(threading.local):
    writing = False
    touched: Document | None = None


def _unchanged() -> dict[str, Any]:
    """Stand for the class of the copies where none are wanted."""
    raise NotImplementedError


def _is_common(update: Any) -> bool:
    """Say whether an update is a replacement or sets, unsets and counts only."""
    if not isinstance(update, dict) or not update:
        return False
    return update.keys() <= _PLAIN or (
        "_id" not in update and all(isinstance(f, str) and not f.startswith("$") for f in update)
    )


def _included(fields: Any) -> list[str] | None:
    """Name the top-level fields that a projection includes, None if it says anything else."""
    if isinstance(fields, dict):
        if any(value not in (1, True) for name, value in fields.items() if name != "_id"):
            return None
        names = [name for name in fields if name != "_id" or fields[name]]
        if fields.get("_id", 1) and "_id" not in fields:
            names.insert(0, "_id")
        if not names or names == ["_id"]:
            return None
    else:
        names = ["_id", *(name for name in fields if name != "_id")]
    return None if any(not isinstance(name, str) or "." in name for name in names) else names


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

    def _matching(self, query: Mapping[str, Any]) -> Iterator[Document]:
        candidates = self._documents.candidates(query)
        if not candidates:
            _filter_applies(query, {})  # a malformed query is an error also where nothing can match
        documents = (Document(body, n) for n, body in candidates)
        return (document for document in documents if _filter_applies(query, document))

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
        if document is not None and encoded(document) != document.body:
            self._documents[document["_id"]] = document

    # --- writing: common operations here, the others by mongomock --------------------------------------------------

    def _update(
        self, spec: Any, document: Any, upsert: bool = False, *args: Any, multi: bool = False, **options: Any
    ) -> Any:
        with self._file.transaction():
            if args or any(options.values()) or not _is_common(document):
                return self._update_by_mongomock(spec, document, upsert, *args, multi=multi, **options)
            matched = changed = 0
            for found in self._matching(_dates_as_kept(spec)):
                matched += 1
                changed += self._change(found, spec, document)
                if not multi:
                    break
            if upsert and not matched:
                return self._update_by_mongomock(spec, document, upsert, multi=multi)
            return {
                "n": matched,
                "nModified": changed,
                "ok": 1,
                "err": None,
                "upserted": None,
                "updatedExisting": matched > 0,
            }

    def _update_by_mongomock(self, *args: Any, **kwargs: Any) -> Any:
        self._state.writing = True
        try:
            result = super()._update(*args, **kwargs)
            self._write_touched()
        finally:
            self._state.writing, self._state.touched = False, None
        return result

    def _change(self, found: Document, spec: Any, update: Mapping[str, Any]) -> bool:
        """Apply a change to a document that was just read and write it; say whether it is another one now."""
        identifier, marks, uniques = found["_id"], marks_of(found), self._unique_values(found)
        if any(field.startswith("$") for field in update):
            document: Any = found
            self._apply_update_document(found, spec, update, False)
        else:
            _check_fields(update)
            document = {"_id": identifier, **update}
        body = encoded(document)
        if body == found.body:
            return False
        if document.get("_id") != identifier:
            raise WriteError(
                f"the (immutable) field '_id' was found to have been altered to {document.get('_id')}"
            )
        self._check_unique(document, before=uniques)
        self._file.replace(found.n, self._documents.space, body, entries_of(document), before=marks)
        return True

    def _insert(self, data: Any, session: Any = None, ordered: bool = True) -> Any:
        with self._file.transaction():
            if session or not isinstance(data, Mapping):
                return super()._insert(data, session, ordered=ordered)  # one by one through this method
            if not all(isinstance(field, str) for field in data):
                raise ValueError("Document keys must be strings")
            _check_fields(data)
            if "_id" not in data:
                data["_id"] = ObjectId()  # type: ignore[index]  # as pymongo does
            body = encoded(data)
            self._check_unique(data)
            identifier = encoded_id(data["_id"])
            if not self._file.insert(self._documents.space, identifier, body, entries_of(data)):
                raise DuplicateKeyError("E11000 Duplicate Key Error", 11000)
            return data["_id"]

    def _delete(self, *args: Any, **kwargs: Any) -> Any:
        with self._file.transaction():
            return super()._delete(*args, **kwargs)

    def _find_and_modify(
        self,
        query: Any,
        projection: Any = None,
        update: Any = None,
        upsert: bool = False,
        sort: Any = None,
        return_document: bool = ReturnDocument.BEFORE,
        session: Any = None,
        **kwargs: Any,
    ) -> Any:
        with self._file.transaction():
            found = None
            common = not session and not kwargs and _is_common(update) and not self.codec_options.tz_aware
            if common:
                found = self._first(query, sort)
                if found is None and not upsert:
                    return None
            if found is None:
                return super()._find_and_modify(
                    query, projection, update, upsert, sort, return_document, session, **kwargs
                )
            before = found.body
            self._change(found, {"_id": found["_id"]}, update)
            if return_document is not ReturnDocument.BEFORE:
                return self.find_one({"_id": found["_id"]}, projection)
            return self._copy_only_fields(Document(before), projection, dict)

    def create_index(self, *args: Any, **kwargs: Any) -> Any:
        """Define an index; a unique one is checked against what is there."""
        with self._file.transaction():
            return super().create_index(*args, **kwargs)

    # --- reading ----------------------------------------------------------------------------------------------------

    def find_one(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the first match; the others are not even decoded, sorted as a queue or not at all."""
        simple = isinstance(filter, Mapping) and len(args) < 2 and set(kwargs) <= {"projection", "sort"}
        if not simple or self.codec_options.tz_aware:
            return super().find_one(filter, *args, **kwargs)
        projection = args[0] if args else kwargs.get("projection")
        found = self._first(filter, kwargs.get("sort"))
        return None if found is None else self._copy_only_fields(found, projection, dict)

    def _first(self, query: Any, sort: Any) -> Document | None:
        query = _dates_as_kept(query)
        if not sort:
            return next(self._matching(query), None)

        def accept(n: int, body: bytes) -> Document | None:
            document = Document(body, n)
            return document if _filter_applies(query, document) else None

        found = self._documents.queued(query, sort, accept)
        if found is False:
            return next(self._get_dataset(query, sort, None, _unchanged), None)
        return found

    def count_documents(self, filter: Any, **kwargs: Any) -> int:
        """Count the matches."""
        if filter == {} and not kwargs:
            return len(self._documents)
        return int(super().count_documents(filter, **kwargs))

    def aggregate(self, pipeline: Any, session: Any = None, **options: Any) -> Any:
        """Run a pipeline; what its first stage asks for is looked up."""
        stages = list(pipeline)
        if session or not stages or set(stages[0]) != {"$match"}:
            return super().aggregate(stages, session, **options)
        matching = list(self.find(stages[0]["$match"]))
        return _process_pipeline(matching, self.database, stages[1:], session)

    def _unique_values(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return one query per unique index that applies: no other document may match it."""
        queries: list[dict[str, Any]] = []
        for index in self._documents.unique_indexes:
            query: dict[str, Any] = {}
            for field, _ in index["key"]:
                try:
                    query[field] = _helpers.get_value_by_dot(document, field)
                except KeyError:
                    query[field] = None
            if index.get("sparse") and all(value is None for value in query.values()):
                continue
            if index.get("partialFilterExpression") is not None:
                query = {"$and": [index["partialFilterExpression"], query]}
            queries.append(query)
        return queries

    def _check_unique(self, document: Mapping[str, Any], before: Collection[Mapping[str, Any]] = ()) -> None:
        for query in self._unique_values(document):
            changed = "$and" in query or query not in before
            if changed and any(other["_id"] != document["_id"] for other in self._matching(query)):
                raise DuplicateKeyError("E11000 Duplicate Key Error", 11000)

    def _ensure_uniques(self, new_data: Mapping[str, Any]) -> None:
        self._check_unique(new_data)

    def _internalize_dict(self, d: Mapping[str, Any]) -> dict[str, Any]:
        return dict(d)  # encoded before the caller can change it

    def _copy_only_fields(self, doc: Any, fields: Any, container: Any) -> Any:
        if container is _unchanged:
            return doc
        if container is dict and not self.codec_options.tz_aware:
            if not fields:
                return dict(doc)  # decoded for this call only
            if (names := _included(fields)) is not None:
                return {name: doc[name] for name in names if name in doc}
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
