"""The start of a connection: encryption declined, a cancel request, the client's parameters, and its authentication.

Belongs here: every message before the first ReadyForQuery. Does not belong here: the session after it (`session`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from redshift_local.proxy import wire
from redshift_local.proxy.backend import Backend
from redshift_local.proxy.wire import Stream

_OF_REDSHIFTS_DRIVERS = frozenset(
    {"driver_version", "os_version", "plugin_name", "client_protocol_version", "idp_type", "application_name_prefix"}
)
"""Parameters that Redshift's own drivers send to a cluster, and that PostgreSQL would refuse as unknown settings."""

_FINAL_STEPS = (0, 12)  # AuthenticationOk and SASLFinal: after these the client owes no answer


@dataclass(frozen=True)
class Startup:
    """A client's request for a session: the protocol's version, and parameters that the backend understands."""

    version: int
    parameters: dict[str, str]
    wants_replication: bool

    @property
    def application(self) -> str:
        """What the client calls itself."""
        return self.parameters.get("application_name", "")


def receive(client: Stream, cancel: Callable[[bytes], None]) -> Startup | None:
    """The client's request for a session; None if it was a cancel request, which `cancel` gets."""
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
    parameters = {name: value for name, value in wire.startup_parameters(body).items() if name not in _OF_REDSHIFTS_DRIVERS}
    wants_replication = parameters.pop("replication", "false").lower() not in ("false", "off", "no", "0")
    return Startup(version, parameters, wants_replication)


def authenticate(backend: Backend, client: Stream, startup: Startup, opened: Callable[[bytes], None]) -> bool:
    """Start the backend's session as the client's user, whose password the backend checks; False if it refuses.

    Args:
        opened: gets the key by which the session can be cancelled.
    """
    backend.send(wire.startup_message(startup.version, startup.parameters))
    while True:
        kind, body = backend.stream.message()
        backend.deliver(kind, body)
        if kind == b"K":
            (backend.pid,) = struct.unpack_from("!I", body)
            opened(body)
        elif kind == b"R" and struct.unpack_from("!I", body)[0] not in _FINAL_STEPS:
            kind, body = client.message()
            backend.send(wire.frame(kind, body))
        elif kind == b"E":
            client.flush()
            return False
        elif kind == b"Z":
            return True
