"""Speak MongoDB's wire protocol in front of mongomock, so that the real pymongo can be tested without a server.

It is a test double of the transport: framing, commands, SCRAM-SHA-256 and TLS are real, the data live in memory.
Protocol: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ ; SCRAM: RFC 5802, RFC 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bson
import mongomock
from pymongo.errors import DuplicateKeyError

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")
ITERATIONS = 4096


@dataclass(frozen=True)
class Login:
    """The one user that may come in; `writes` is False for one who may only read."""

    name: str
    password: str
    writes: bool = True


class CommandError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Scram:
    """One SCRAM-SHA-256 conversation, the server's side."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.salt = os.urandom(16)

    def first(self, payload: bytes) -> bytes:
        self.bare = payload.decode().split(",", 2)[2]
        fields = dict(part.split("=", 1) for part in self.bare.split(","))
        if fields["n"] != self.login.name:
            raise CommandError(18, "Authentication failed.")
        self.nonce = fields["r"] + base64.b64encode(os.urandom(12)).decode()
        salt = base64.b64encode(self.salt).decode()
        self.said = f"r={self.nonce},s={salt},i={ITERATIONS}"
        return self.said.encode()

    def final(self, payload: bytes) -> bytes:
        text, _, proof = payload.decode().rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.login.password.encode(), self.salt, ITERATIONS)
        key = hmac.digest(salted, b"Client Key", "sha256")
        message = f"{self.bare},{self.said},{text}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(key, signature, strict=True)) != base64.b64decode(proof):
            raise CommandError(18, "Authentication failed.")
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return b"v=" + base64.b64encode(server)


class Backend:
    """Commands on a mongomock client."""

    def __init__(self) -> None:
        self.client: Any = mongomock.MongoClient()
        self.lock = threading.Lock()

    def run(self, database: Any, name: str, command: dict[str, Any]) -> dict[str, Any]:
        method: Callable[..., dict[str, Any]] | None = getattr(self, f"do_{name.lower()}", None)
        if method is None:
            raise CommandError(59, f"no such command: '{name}'")
        with self.lock:
            return method(database, command)

    def do_ping(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        return {}

    do_endsessions = do_killcursors = do_ping

    def do_buildinfo(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        return {"version": "7.0.0", "versionArray": [7, 0, 0, 0]}

    def do_insert(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        errors = []
        for index, document in enumerate(command["documents"]):
            try:
                database[command["insert"]].insert_one(document)
            except DuplicateKeyError as error:
                errors.append({"index": index, "code": 11000, "errmsg": str(error)})
                if command.get("ordered", True):
                    break
        done = {"n": len(command["documents"]) - len(errors)}
        return {**done, "writeErrors": errors} if errors else done

    def do_update(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        n, changed, upserted = 0, 0, []
        for index, one in enumerate(command["updates"]):
            table, upsert = database[command["update"]], one.get("upsert", False)
            if not any(key.startswith("$") for key in one["u"]):
                result = table.replace_one(one["q"], one["u"], upsert=upsert)
            elif one.get("multi"):
                result = table.update_many(one["q"], one["u"], upsert=upsert)
            else:
                result = table.update_one(one["q"], one["u"], upsert=upsert)
            n, changed = n + result.matched_count, changed + result.modified_count
            if result.upserted_id is not None:
                n += 1
                upserted.append({"index": index, "_id": result.upserted_id})
        return {"n": n, "nModified": changed, **({"upserted": upserted} if upserted else {})}

    def do_delete(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        table, n = database[command["delete"]], 0
        for one in command["deletes"]:
            n += (table.delete_one if one["limit"] else table.delete_many)(one["q"]).deleted_count
        return {"n": n}

    def do_find(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        found = database[command["find"]].find(command.get("filter") or {}, command.get("projection") or None)
        if command.get("sort"):
            found = found.sort(list(command["sort"].items()))
        found = found.skip(command.get("skip", 0)).limit(abs(command.get("limit", 0)))
        return _cursor(database, command["find"], list(found))

    def do_aggregate(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        rows = list(database[command["aggregate"]].aggregate(command["pipeline"]))
        return _cursor(database, command["aggregate"], rows)

    def do_findandmodify(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        table, query = database[command["findAndModify"]], command.get("query") or {}
        sort = list(command["sort"].items()) if command.get("sort") else None
        fields = command.get("fields") or None
        if command.get("remove"):
            return {"value": table.find_one_and_delete(query, fields, sort=sort)}
        update = command["update"]
        changes = any(key.startswith("$") for key in update)
        method = table.find_one_and_update if changes else table.find_one_and_replace
        value = method(
            query,
            update,
            projection=fields,
            sort=sort,
            upsert=command.get("upsert", False),
            return_document=bool(command.get("new", False)),
        )
        return {"value": value}

    def do_count(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        return {"n": database[command["count"]].count_documents(command.get("query") or {})}

    def do_distinct(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        return {"values": database[command["distinct"]].distinct(command["key"], command.get("query"))}

    def do_createindexes(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        for index in command["indexes"]:
            unique = bool(index.get("unique", False))
            keys = list(index["key"].items())
            database[command["createIndexes"]].create_index(keys, name=index["name"], unique=unique)
        return {}

    def do_listindexes(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        known = database[command["listIndexes"]].index_information()
        rows = [{"name": name, "key": dict(about["key"]), "v": 2} for name, about in known.items()]
        return _cursor(database, command["listIndexes"], rows)

    def do_listcollections(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        rows = [{"name": name, "type": "collection"} for name in database.list_collection_names()]
        return _cursor(database, "$cmd.listCollections", rows)

    def do_drop(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        database.drop_collection(command["drop"])
        return {}

    def do_dropdatabase(self, database: Any, command: dict[str, Any]) -> dict[str, Any]:
        self.client.drop_database(database.name)
        return {}


def _cursor(database: Any, table: str, rows: list[Any]) -> dict[str, Any]:
    return {"cursor": {"id": bson.Int64(0), "ns": f"{database.name}.{table}", "firstBatch": rows}}


class Connection(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.scram: Scram | None = None
        self.known = self.server.login is None
        try:
            while head := self.rfile.read(HEADER.size):
                length, request, _, code = HEADER.unpack(head)
                self._serve(request, code, self.rfile.read(length - HEADER.size))
        except (ConnectionError, ssl.SSLError):
            return  # the client left

    def _serve(self, request: int, code: int, body: bytes) -> None:
        if code == OP_QUERY:
            answer = bson.encode(self._answer(bson.decode(body[body.index(b"\0", 4) + 9 :])))
            self._send(request, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + answer)
        else:
            flags = struct.unpack_from("<I", body)[0]
            answer = bson.encode(self._answer(_message(body)))
            if not flags & 2:  # moreToCome: no answer is wanted
                self._send(request, OP_MSG, struct.pack("<I", 0) + b"\0" + answer)

    def _send(self, request: int, code: int, body: bytes) -> None:
        self.wfile.write(HEADER.pack(HEADER.size + len(body), 0, request, code) + body)

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        try:
            return {**self._run(name, command), "ok": 1.0}
        except CommandError as error:
            return {"ok": 0.0, "errmsg": str(error), "code": error.code}

    def _run(self, name: str, command: dict[str, Any]) -> dict[str, Any]:
        if name.lower() in ("hello", "ismaster"):
            limits = {
                "maxBsonObjectSize": 2**24,
                "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000,
            }
            mechanisms = {"saslSupportedMechs": ["SCRAM-SHA-256"]} if "saslSupportedMechs" in command else {}
            versions = {"minWireVersion": 0, "maxWireVersion": 21}
            return {"ismaster": True, "helloOk": True, **versions, **limits, **mechanisms}
        if name == "saslStart":
            if self.server.login is None or command["mechanism"] != "SCRAM-SHA-256":
                raise CommandError(18, "Authentication failed.")
            self.scram = Scram(self.server.login)
            return {"conversationId": 1, "done": False, "payload": self.scram.first(command["payload"])}
        if name == "saslContinue":
            assert self.scram is not None
            done = not command["payload"]
            payload = b"" if done else self.scram.final(command["payload"])
            self.known = True
            return {"conversationId": 1, "done": done, "payload": payload}
        if not self.known:
            raise CommandError(13, f"Command {name} requires authentication")
        login = self.server.login
        if login is not None and not login.writes and name in ("insert", "update", "delete", "createIndexes"):
            raise CommandError(13, f"not authorized on fireworks to execute command {name}")
        return self.server.backend.run(self.server.backend.client[command["$db"]], name, command)


def _message(body: bytes) -> dict[str, Any]:
    """The command of an OP_MSG, with its document sequences put in their places."""
    command: dict[str, Any] = {}
    sequences: dict[str, list[Any]] = {}
    at = 4
    while at < len(body):
        kind, at = body[at], at + 1
        size = struct.unpack_from("<i", body, at)[0]
        part = body[at : at + size]
        if kind == 0:
            command = bson.decode(part)
        else:
            end = part.index(b"\0", 4)
            sequences[part[4:end].decode()] = bson.decode_all(part[end + 1 :])
        at += size
    return {**command, **sequences}


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, login: Login | None, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.login, self.backend, self.context = login, Backend(), context

    def get_request(self) -> tuple[Any, Any]:
        request, address = super().get_request()
        return (self.context.wrap_socket(request, server_side=True) if self.context else request), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: a client that does not trust the certificate has left."""


@contextmanager
def running(
    login: Login | None = None, context: ssl.SSLContext | None = None
) -> Iterator[tuple[Server, int]]:
    """A server on a free port of this computer."""
    with Server(login, context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server, server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
