"""The TCP server: a thread for each connection, cancel requests, and an orderly shutdown.

Belongs here: the listening socket, threads, and what all sessions share. Does not belong here: the messages of a connection (`session`).
Each session has a thread, because its steps block: it waits for its client and its backend. No session waits for another, because COPY runs
in libraries that release the GIL.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redshift_local.load.s3 import Store
from redshift_local.proxy import backend
from redshift_local.proxy.faults import Faults
from redshift_local.proxy.session import Session
from redshift_local.proxy.wire import Stream

log = logging.getLogger(__name__)


class Server:
    """Listens on a loopback port (0 for any free one) in front of the PostgreSQL at `address`. Implements `ServerState`."""

    def __init__(self, port: int, address: tuple[str, int], store: Store) -> None:
        self.address = address
        self.store = store
        self.faults = Faults()
        self._lock = threading.Lock()
        self._sessions: dict[Session, bytes] = {}
        self._threads: dict[Session, threading.Thread] = {}
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="listener", daemon=True)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Accept connections during the block; then end all sessions."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop()

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections. False also after an error of the listening thread."""
        return self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                raise
            session = Session(Stream(sock, 16 * 1024), self)
            thread = threading.Thread(target=self._run, args=(session,), name="session", daemon=True)
            with self._lock:
                self._threads[session] = thread
            thread.start()

    def _run(self, session: Session) -> None:
        try:
            session.run()
        finally:
            with self._lock:
                self._sessions.pop(session, None)
                self._threads.pop(session, None)

    def register(self, key: bytes, session: Session) -> None:
        with self._lock:
            self._sessions[session] = key

    def cancel(self, key: bytes) -> None:
        """Cancel what the session with that key is doing: its COPY, and its backend's statement. An unknown key has no effect."""
        with self._lock:
            matching = [session for session, its_key in self._sessions.items() if its_key == key]
        for session in matching:
            session.cancel()
        try:
            backend.cancel(self.address, key)
        except OSError as error:
            log.warning("a cancel request could not be forwarded: %s", error)

    def _stop(self, patience: float = 5.0) -> None:
        """Stop accepting connections, end all sessions, and wait at most `patience` seconds for their threads."""
        deadline = time.monotonic() + patience
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(); close() does not
        self._listener.close()
        with self._lock:
            threads = dict(self._threads)
        for session in threads:
            session.end()
        for thread in (self._thread, *threads.values()):
            thread.join(max(0.0, deadline - time.monotonic()))
        self.store.client.close()
