"""The table, the lake and the warehouse of the measured steps, and what was measured so far.

Belongs here: filling, emptying, settling, and running one step or its raw limit. Does not belong here: the order of the steps (`rounds`).
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2

from stori_pipeline_tests.bench import history, table
from stori_pipeline_tests.bench.folder import Folder
from stori_pipeline_tests.bench.measure import CLIENT, Measured, measure
from stori_pipeline_tests.bench.usage import peak_mb
from stori_pipeline_tests.stores import empty_bucket, s3_client

_MODULE = "stori_pipeline_tests.bench"
_CHANGE_OF_BANK = "UPDATE transactions SET chip_used = NOT chip_used WHERE transaction_no = (SELECT min(transaction_no) FROM transactions)"


def execute(url: str, *statements: str, parameters: tuple[int, ...] = ()) -> int:
    """Run statements, each in a transaction of its own; returns the number of rows of the last. The parameters are each one's."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement, parameters or None)
        return int(cursor.rowcount)


class Works:
    """What the steps work on, in a folder whose stack runs.

    Attributes:
        found: the measured runs of each step, by the step's name, in the order of the rounds.
        moved: how many rows a step moved, by its name.
    """

    def __init__(self, folder: Folder, say: Callable[[str], None]) -> None:
        self.folder, self._say = folder, say
        stack = folder.stack
        stack.create_source_database("bench")
        self._admin, self.source = stack.postgres_url("sources", "app", "bench"), stack.postgres_url("sources", "reader", "bench")
        self._superusers = [stack.postgres_url("sources", "postgres", "bench"), stack.postgres_url("platform", "postgres", "dev")]
        self.environ = folder.environ() | stack.environ()
        self.environ |= {"STORI_SOURCE_BENCH": self.source, "BENCH_BACKEND": self._superusers[1]}
        self.servers = {server.name: server.pid for server in stack.status() if server.pid}
        self.everything, self.some = folder.path / "everything.bin", folder.path / "some.bin"
        self._log = folder.path / "step.log"
        self.rows = 0
        self.found: dict[str, list[Measured]] = defaultdict(list)
        self.moved: dict[str, int] = {}

    # ---- the table

    def fill(self, rows: int) -> None:
        """Make the table with so many rows, instead of the one that is there."""
        self._say(f"making a table of {rows:,} rows")
        execute(self._admin, "DROP TABLE IF EXISTS movements", table.CREATE)
        execute(self._admin, table.FILL, parameters=(rows,))
        self._vacuum("movements")
        self.rows = rows
        self._run("raw", "source", str(self.everything))

    def _vacuum(self, name: str) -> None:
        """The first read after a bulk insert sets hint bits, which would slow down whichever step reads first."""
        execute(self._admin, f"VACUUM ANALYZE {name}")

    def change(self, turn: int) -> int:
        """Change one row in a hundred; returns how many."""
        changed = execute(self._admin, table.CHANGE, parameters=(turn % 100,))
        self._vacuum("movements")
        return changed

    def wipe(self) -> None:
        """Empty lake and warehouse, so that every round does the same."""
        with s3_client(self.folder.stack.client_environ()) as s3:
            for setting in ("STORI_LANDING_BUCKET", "STORI_PROCESSED_BUCKET"):
                empty_bucket(s3, self.environ[setting])
        warehouse = self.environ["STORI_WAREHOUSE"]
        execute(warehouse, "DROP TABLE IF EXISTS bench.movements", "CREATE SCHEMA IF NOT EXISTS bench")

    def settle(self) -> None:
        """Write dirty pages of the previous step to disk, so that they do not slow down the next one."""
        for url in self._superusers:
            execute(url, "CHECKPOINT")

    def redshift_peak(self) -> float:
        """The local Redshift's peak memory so far, in MB."""
        return peak_mb(self.servers["redshift"])

    # ---- steps

    def command(self, name: str, command: list[str]) -> Measured:
        """Run one process and keep its measurements under that name."""
        self.settle()
        self._say(name)
        self.found[name].append(measured := measure(name, command, self.environ, self.servers, self._log))
        return measured

    def _run(self, module: str, *arguments: str) -> Measured:
        return measure(arguments[0], [sys.executable, "-m", f"{_MODULE}.{module}", *arguments], self.environ, self.servers, self._log)

    def raw(self, name: str, *arguments: str, bare: str = "") -> None:
        """Run a raw limit, in a process with the table's definition imported. With `bare`, also in one without it, under that name."""
        self.command(name, [sys.executable, "-m", f"{_MODULE}.step", "raw", *arguments])
        if bare:
            self.command(bare, [sys.executable, "-m", f"{_MODULE}.raw", *arguments])

    def step(self, name: str, step: str, rows: int) -> None:
        """Run a step of the pipeline, which must move so many rows."""
        measured = self.command(name, [sys.executable, "-m", f"{_MODULE}.step", step])
        if int(measured.output) != rows:
            raise SystemExit(f"{name}: {measured.output} rows moved, where {rows} should have")
        self.moved[name] = rows

    def history(self, versions: int, repeats: int) -> None:
        """A history of so many versions, and one change after another in it. Only the time of adding its version counts: interpreter and
        imports are those of a warm process."""
        self._say(f"making a history of {versions:,} versions")
        execute(self._admin, "DROP TABLE IF EXISTS orders", history.CREATE)
        execute(self._admin, history.FILL, parameters=(versions,))
        self._vacuum("orders")
        self._history(versions)
        self.moved["history"] = versions
        for turn in range(repeats):
            execute(self._admin, history.CHANGE, parameters=(1 + turn * 7919 % versions,))
            self.settle()
            self._say("history")
            self.found["history"].append(self._history(1))

    def _history(self, rows: int) -> Measured:
        whole = self._run("step", "history")
        told = json.loads(whole.output)
        if told["rows"] != rows:
            raise SystemExit(f"history: {told['rows']} versions were added, where {rows} should have been")
        return replace(whole, seconds=told["wall_s"], cpu={CLIENT: told["cpu_s"]})

    def seed(self, rows: int) -> None:
        """Seed and sync the shipped project. The bank has so many rows."""
        self._say("seeding the shipped project")
        self.folder.stori("seed", "--rows", str(rows), "--quiet")
        self._say("its first syncs")
        for _ in range(2):
            self.folder.stori("sync", "--quiet")

    def _sync(self, name: str, *tables: str) -> tuple[int, int]:
        """Measure a `stori sync` of the shipped project. Returns how many rows landed, and how many were loaded."""
        self.settle()
        self._say(name)
        stori = str(Path(sys.executable).with_name("stori"))
        environ = self.folder.environ()  # the addresses are in `.env`, as on a laptop
        measured = measure(name, [stori, "sync", *tables, "--json"], environ, self.servers, self._log, self.folder.path)
        self.found[name].append(measured)
        results = json.loads(measured.output)
        return sum(each["rows_landed"] for each in results), sum(each["rows_loaded"] for each in results)

    def quiet_sync(self, repeats: int) -> None:
        """`stori sync` of the shipped project, where nothing is new."""
        for _ in range(repeats):
            if (rows := self._sync("quiet sync")) != (0, 0):
                raise SystemExit(f"the sync was not quiet: {rows[0]} rows landed, {rows[1]} were loaded")

    def one_table_sync(self, repeats: int) -> None:
        """`stori sync` of one table of the shipped project, in which one row has changed."""
        bank = self.folder.stack.postgres_url("sources", "app", "bank")
        for _ in range(repeats):
            execute(bank, _CHANGE_OF_BANK)
            if (rows := self._sync("one table sync", "bank.transactions")) != (1, 1):
                raise SystemExit(f"one table sync: {rows[0]} rows landed and {rows[1]} were loaded, where 1 should have been")
