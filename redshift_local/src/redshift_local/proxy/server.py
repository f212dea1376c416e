"""The listening side: a thread for each connection, cancellation from one to another, and an orderly end.

Belongs here: sockets that listen, threads, and what all sessions share. Does not belong here: the messages of a connection (`session`).
Threads, because a session is a conversation of blocking steps, and COPY in it is blocking work in libraries that release the
interpreter's lock; no session waits for another.
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
    """Listens at a loopback port (0 for any free one) before the PostgreSQL at `address`. It is a session's Surroundings."""

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
        """Accept connections for the block; then end all sessions."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop()

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections; false also after an error of the listener."""
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

    def opened(self, key: bytes, session: Session) -> None:
        with self._lock:
            self._sessions[session] = key

    def cancel(self, key: bytes) -> None:
        """Cancel the session of that key: a load here, and whatever its backend is doing. Unknown keys change nothing."""
        with self._lock:
            matching = [session for session, its_key in self._sessions.items() if its_key == key]
        for session in matching:
            session.cancel()
        try:
            backend.cancel(self.address, key)
        except OSError as error:
            log.warning("a cancel request could not be passed on: %s", error)

    def _stop(self, patience: float = 5.0) -> None:
        """Stop accepting and end all sessions, and wait at most `patience` seconds for their threads."""
        deadline = time.monotonic() + patience
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
        self._listener.close()
        with self._lock:
            threads = dict(self._threads)
        for session in threads:
            session.end()
        for thread in (self._thread, *threads.values()):
            thread.join(max(0.0, deadline - time.monotonic()))
        self.store.client.close()
