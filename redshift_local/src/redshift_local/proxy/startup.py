"""The start of a connection: refusing encryption, cancel requests, the client's parameters, and authentication.

Belongs here: every message before the first ReadyForQuery. Does not belong here: later messages (`session`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from redshift_local.proxy import wire
from redshift_local.proxy.backend import Backend
from redshift_local.proxy.wire import Stream

_REDSHIFT_DRIVER_PARAMETERS = frozenset(
    {"driver_version", "os_version", "plugin_name", "client_protocol_version", "idp_type", "application_name_prefix"}
)
"""Parameters that Redshift's own drivers send. PostgreSQL would refuse them as unknown settings."""

_FINAL_STEPS = (0, 12)  # AuthenticationOk and SASLFinal, to which the client does not reply


@dataclass(frozen=True)
class Startup:
    """A client's request for a session: the protocol's version, and the parameters for the backend."""

    version: int
    parameters: dict[str, str]
    wants_replication: bool

    @property
    def application(self) -> str:
        """The client's application name."""
        return self.parameters.get("application_name", "")


def receive(client: Stream, cancel: Callable[[bytes], None]) -> Startup | None:
    """Receive the client's request for a session. Returns None if it is a cancel request, which is given to `cancel`."""
    while True:
        body = client.startup()
        (version,) = struct.unpack_from("!I", body)
        if version == wire.CANCEL_REQUEST:
            cancel(body[4:])
            return None
        if version not in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
            break
        client.write(b"N")
        client.flush()
    parameters = {name: value for name, value in wire.startup_parameters(body).items() if name not in _REDSHIFT_DRIVER_PARAMETERS}
    wants_replication = parameters.pop("replication", "false").lower() not in ("false", "off", "no", "0")
    return Startup(version, parameters, wants_replication)


def authenticate(backend: Backend, client: Stream, startup: Startup, register_key: Callable[[bytes], None]) -> bool:
    """Start the backend's session as the client's user. The backend checks the password; returns False if it refuses.

    Args:
        register_key: called with the key that cancels the session.
    """
    backend.send(wire.startup_message(startup.version, startup.parameters))
    while True:
        kind, body = backend.stream.message()
        backend.deliver(kind, body)
        if kind == b"K":
            (backend.pid,) = struct.unpack_from("!I", body)
            register_key(body)
        elif kind == b"R" and struct.unpack_from("!I", body)[0] not in _FINAL_STEPS:
            kind, body = client.message()
            backend.send(wire.frame(kind, body))
        elif kind == b"E":
            client.flush()
            return False
        elif kind == b"Z":
            return True
