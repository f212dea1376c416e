"""What follows from a report's SQL: inputs, columns, the lineage of each column, and errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stori_pipeline.model.errors import DefinitionError
from stori_pipeline.model.project import Project
from stori_pipeline.model.report import Report, dependents, load_reports, tables_of
from stori_pipeline_tests.model.small_tables import ITEMS, STARS, TABLES, reports_of


def only(folder: Path, statement: str) -> Report:
    (report,) = reports_of(folder, {"one": statement})
    return report


def test_a_report_is_its_header_and_one_select(tmp_path: Path) -> None:
    text = "-- Items sold,\n-- in pieces.\n--\n-- Returns count.\n-- materialized: table\n\nSELECT label\nFROM star.dim_item;\n"
    report = only(tmp_path, text)
    assert (report.name, report.full_name, report.materialized) == ("one", "reports.one", "table")
    assert report.description == "Items sold, in pieces.\n\nReturns count."
    assert report.statement == "SELECT label\nFROM star.dim_item"
    assert only(tmp_path, "SELECT label FROM star.dim_item").materialized == "view"


def test_a_report_is_read_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    """With one, its first comment was no comment, and the file held "no SQL"."""
    text = "-- Items sold.\n-- materialized: table\nSELECT label FROM star.dim_item\n"
    (tmp_path / "one.sql").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (with_mark,) = load_reports(tmp_path, TABLES, STARS)
    assert (with_mark.description, with_mark.materialized) == ("Items sold.", "table")
    assert with_mark == only(tmp_path, text)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_report_in_another_encoding_is_refused_by_its_name(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "one.sql").write_text("-- Größe.\nSELECT label FROM star.dim_item\n", encoding=encoding)
    with pytest.raises(DefinitionError, match=r"reports/one\.sql: it is not UTF-8 at byte \d+; save it as UTF-8"):
        load_reports(tmp_path, TABLES, STARS)


def test_column_lineage_passes_through_every_construct_of_sql(tmp_path: Path) -> None:
    report = only(
        tmp_path,
        """
        WITH sold AS (
          SELECT s.*, i.label AS name FROM star.fact_sale_current AS s JOIN star.dim_item AS i ON i.id = s.item
        ), either AS (
          SELECT item, amount AS worth FROM sold
          UNION ALL
          ((SELECT id, price FROM shop.orders) EXCEPT (SELECT id, price FROM shop.orders WHERE id < 0))
        )
        SELECT
          e.item,
          SUM(e.worth) AS worth,
          COUNT(*) AS n,
          (SELECT MAX(label) FROM shop.items WHERE id = e.item) AS last_label,
          RANK() OVER (PARTITION BY q.named ORDER BY MAX(q.best)) AS place,
          MIN(q._loaded_at) AS since
        FROM either AS e
        LEFT JOIN (SELECT id, quote.asks[0]::DECIMAL(18,6) AS best, "_LOADED_AT", 'x' || id AS named FROM shop.orders) AS q ON q.id = e.item
        WHERE e.item IN (SELECT item FROM star.fact_sales)
        GROUP BY e.item, q.named
        """,
    )
    assert report.columns == ("item", "worth", "n", "last_label", "place", "since")
    assert report.reads == ("shop.items", "shop.orders", "star.dim_item", "star.fact_sale")
    assert report.lineage == {
        "item": [("shop.orders", "id"), ("star.fact_sale", "item")],
        "worth": [("shop.orders", "price"), ("star.fact_sale", "amount")],
        "n": [],
        "last_label": [("shop.items", "label")],
        "place": [("shop.orders", "id"), ("shop.orders", "quote")],
        "since": [("shop.orders", "_loaded_at")],
    }


def test_the_lineage_of_a_recursive_query_ends_at_its_first_half(tmp_path: Path) -> None:
    report = only(
        tmp_path,
        "WITH RECURSIVE up AS (SELECT id, item FROM shop.orders UNION ALL SELECT id, id + item FROM up WHERE item < 9) SELECT item FROM up",
    )
    assert report.lineage == {"item": [("shop.orders", "id"), ("shop.orders", "item")]}


def test_a_star_in_sql_selects_every_column_of_the_mirror(tmp_path: Path) -> None:
    assert only(tmp_path, "SELECT * FROM shop.items").columns == ("id", "label", "_deleted", "_batch", "_loaded_at", "_seq")
    sale = ("sale_record_id", "id", "item", "amount", "_observed_at")
    more = (*sale, "_removed", "_batch", "_loaded_at", "_seq", "_deleted")
    for name, columns in {"fact_sale": more, "fact_sale_current": sale, "fact_sales": more}.items():
        report = only(tmp_path, f"SELECT * FROM star.{name}")
        assert report.columns == columns
        assert report.lineage["amount"] == [("star.fact_sale", "amount")]


def test_a_report_may_read_reports_and_comes_after_them(tmp_path: Path) -> None:
    loaded = reports_of(
        tmp_path,
        {
            "a": "SELECT label, twice FROM reports.b",
            "deep/b": "SELECT z.label, z.n * 2 AS twice FROM reports.z AS z",
            "z": "SELECT label, COUNT(id) AS n FROM star.dim_item GROUP BY label",
            "other": "SELECT id FROM shop.orders",
        },
    )
    by_name = {report.name: report for report in loaded}
    assert [report.name for report in loaded if report.name != "other"] == ["z", "b", "a"]
    assert by_name["a"].reads == ("reports.b",)
    assert by_name["a"].lineage == {"label": [("reports.b", "label")], "twice": [("reports.b", "twice")]}
    assert [report.name for report in dependents(by_name["z"], loaded)] == ["b", "a"]
    assert dependents(by_name["other"], loaded) == []


def test_the_fingerprint_changes_with_everything_that_the_report_reads(tmp_path: Path) -> None:
    files = {"a": "SELECT * FROM reports.z", "z": "SELECT label AS word FROM star.dim_item"}
    before = {report.name: report.fingerprint for report in reports_of(tmp_path, files)}
    assert {report.name: report.fingerprint for report in reports_of(tmp_path, files)} == before
    after = {
        report.name: report.fingerprint for report in reports_of(tmp_path, files | {"z": "SELECT label || 's' AS word FROM star.dim_item"})
    }
    assert before["z"] != after["z"]
    assert before["a"] != after["a"]


def test_the_tables_of_a_select_have_their_own_full_names() -> None:
    tables = [star.table for star in STARS.values()]
    sql = "WITH dim AS (SELECT 1 AS a) SELECT * FROM dim, STAR.Fact_Sales AS f WHERE f.id IN (SELECT batch FROM pipeline.loads)"
    assert tables_of(sql, tables) == {"star.fact_sale", "pipeline.loads"}
    assert tables_of("SELECT 1 AS a FROM star.fact_sale_current -- star.dim_item", tables) == {"star.fact_sale"}
    with pytest.raises(DefinitionError, match="one SELECT"):
        tables_of("DELETE FROM star.dim_item", tables)


def test_a_report_and_a_check_read_a_source_table_under_its_alias(tmp_path: Path) -> None:
    """An alias that ends like the view of a history has the table's own columns."""
    items = replace(ITEMS, aliases=("things", "things_current"))
    (tmp_path / "deleted.sql").write_text("-- What it shows.\nSELECT label FROM shop.things_current WHERE _deleted\n")
    (report,) = load_reports(tmp_path, (items,), {})
    assert (report.reads, tables_of("SELECT 1 AS a FROM shop.things", [items])) == (("shop.items",), {"shop.items"})
    assert Project((items,)).relations == {"shop.items", "shop.things", "shop.things_current"}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT id FROM shop.nowhere", "'shop.nowhere', which is no source table, no star table and no report"),
        ("SELECT id FROM orders", "'orders'.*with its schema"),
        ("SELECT id FROM star.dim_item_current", "'star.dim_item_current'"),
        ("SELECT nope FROM shop.orders", "Column 'nope' could not be resolved.* Line: 2, .*its tables have"),
        ("SELECT o.nope FROM shop.orders AS o", "Unknown column: nope"),
        ("SELECT id FROM shop.orders WHERE price > limit_of_it", "'limit_of_it'"),
        ("SELECT id FROM shop.orders CROSS JOIN shop.items", "Column 'id' could not be resolved.*alias where several have it"),
        ("SELECT COUNT(*) FROM shop.orders", "column 1 has no name: COUNT.*with AS"),
        ("SELECT id, price, item AS id FROM shop.orders", "two of its columns are called id"),
        ("SELECT 1 AS a; SELECT 2 AS b", "holds 2 statements"),
        ("-- Only words.\n", "holds 0 statements"),
        ("DELETE FROM shop.orders", "it is DELETE rather than a SELECT"),
        ("SELECT id INTO shop.copies FROM shop.orders", "a SELECT that only reads"),
        ("SELEC id FROM shop.orders", "Redshift cannot parse it.*Line 2"),
        ("SELECT 'unended FROM shop.orders", "Redshift cannot parse it"),
        ("-- materialized: table\nSELECT 1 AS a", "comments that say what the report shows"),
        ("-- Words.\n-- materialized: index\nSELECT 1 AS a", "materialized: view"),
        ("SELECT id FROM reports.one", "read each other in a circle: one reads one"),
    ],
)
def test_a_broken_file_is_refused_by_its_name_with_what_to_do(tmp_path: Path, statement: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^sql/reports.*{message}".replace("(*)", r"\(\*\)")):
        only(tmp_path, statement)


def test_two_reports_of_a_name_and_invalid_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"sql/reports/b/x\.sql: there is a report of that name in sql/reports/a/x\.sql too"):
        reports_of(tmp_path, {"a/x": "SELECT 1 AS a", "b/x": "SELECT 1 AS a"})
    (tmp_path / "b" / "x.sql").rename(tmp_path / "b" / "X y.sql")
    with pytest.raises(DefinitionError, match="'X y' is not a name"):
        load_reports(tmp_path, TABLES, STARS)


def test_a_circle_names_the_reports_in_it(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"circle: (a reads b reads a|b reads a reads b); break it"):
        reports_of(tmp_path, {"a": "SELECT id FROM reports.b", "b": "SELECT id FROM reports.a", "c": "SELECT id FROM shop.orders"})
