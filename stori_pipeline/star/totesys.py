"""The star tables of the trading system: eight dimensions that hold the present, three facts that keep every version.

Belongs here: their definitions and functions. A column's `path` names every column on which its values depend, also the columns of joins;
a test changes the inputs one by one and compares. A function may return more columns than the definition has: they are dropped.
Does not belong here: what a star table is (`model.star`), or reading and writing rows (`pipeline.derive`).
"""

from __future__ import annotations

import polars as pl
from iso4217 import Currency

from stori_pipeline.catalog import totesys
from stori_pipeline.model.star import Carried, StarSchema, carried
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import Type, date, integer, time, varchar

SCHEMA = StarSchema(*totesys.TABLES)

_UNKNOWN = "Unknown"


def _day(text: str) -> pl.Expr:
    """A day that the source has as text; null if the text is not `yyyy-mm-dd`. `%Y-%m-%d` alone accepts other forms, too."""
    well_formed = pl.col(text).str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$") & ~pl.col(text).str.starts_with("0000")
    return pl.when(well_formed).then(pl.col(text)).str.to_date("%Y-%m-%d", strict=False).alias(text)


def _day_column(path: str, description: str) -> Column:
    """The column that `_day` computes."""
    return Column(path.partition(".")[2], date, nullable=False, path=path, description=description)


def _dates_and_times() -> list[pl.Expr]:
    """The two instants of every table, in UTC, each split into a date and a time of day."""
    instants = {"created": pl.col("created_at"), "last_updated": pl.col("last_updated")}
    dates = [instant.dt.date().alias(f"{name}_date") for name, instant in instants.items()]
    return dates + [instant.dt.strftime("%H:%M:%S%.6f").alias(f"{name}_time") for name, instant in instants.items()]


def _date_and_time_columns(table: str) -> tuple[Column, ...]:
    """The columns that `_dates_and_times` computes."""
    created, updated = f"{table}.created_at", f"{table}.last_updated"
    written = "when the application last wrote the row. Silent edits do not set it."
    return (
        Column("created_date", date, nullable=False, path=created, description="The date when the row was created."),
        Column("created_time", time, nullable=False, path=created, description="The time when the row was created."),
        Column("last_updated_date", date, nullable=False, path=updated, description=f"The date {written}"),
        Column("last_updated_time", time, nullable=False, path=updated, description=f"The time {written}"),
    )


def _version_number(name: str) -> Column:
    return Column(name, integer, nullable=False, description="Number of the version, in the order of arrival.")


# --- dimensions ------------------------------------------------------------------------------------------------------

_BY_DEPARTMENT = "staff.department_id department.department_id"


@SCHEMA.star_table(
    carried("staff.staff_id"),
    carried("staff.first_name"),
    carried("staff.last_name"),
    carried(
        "department.department_name",
        joined_by=_BY_DEPARTMENT,
        description="The person's department; 'Unknown' until the department has arrived.",
    ),
    carried(
        "department.location",
        joined_by=_BY_DEPARTMENT,
        nullable=False,
        description="The department's town; 'Unknown' if the source has none.",
    ),
    carried("staff.email_address"),
    key="staff_id",
    description="One row per member of staff, with the columns of the department.",
)
def dim_staff(staff: pl.LazyFrame, department: pl.LazyFrame) -> pl.LazyFrame:
    departments = department.select("department_id", "department_name", "location")
    joined = staff.join(departments, on="department_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("department_name", "location").fill_null(_UNKNOWN))


_ADDRESS = ("address_line_1", "address_line_2", "district", "city", "postal_code", "country")


@SCHEMA.star_table(
    carried("address.address_id", "location_id"),
    *(carried(f"address.{name}") for name in (*_ADDRESS, "phone")),
    key="location_id",
    description="One row per delivery address.",
)
def dim_location(address: pl.LazyFrame) -> pl.LazyFrame:
    return address.rename({"address_id": "location_id"})


def _currency_name(code: str) -> str:
    try:
        return str(Currency(code).currency_name)
    except ValueError:
        return code


@SCHEMA.star_table(
    carried("currency.currency_id"),
    carried("currency.currency_code"),
    Column(
        "currency_name",
        varchar(128),
        nullable=False,
        path="currency.currency_code",
        description="The currency's name in ISO 4217; the code if that standard does not have it.",
    ),
    key="currency_id",
    description="One row per currency that we trade in.",
)
def dim_currency(currency: pl.LazyFrame) -> pl.LazyFrame:
    name = pl.col("currency_code").map_elements(_currency_name, return_dtype=pl.String)
    return currency.with_columns(name.alias("currency_name"))


@SCHEMA.star_table(
    carried("design.design_id"),
    carried("design.design_name"),
    carried("design.file_location"),
    carried("design.file_name"),
    key="design_id",
    description="One row per design of a bag.",
)
def dim_design(design: pl.LazyFrame) -> pl.LazyFrame:
    return design


def _legal(column: str, name: str = "") -> Carried:
    return carried(
        f"address.{column}",
        f"counterparty_legal_{name or column}",
        joined_by="counterparty.legal_address_id address.address_id",
        description=f"Of the company's legal address: {column}.",
    )


@SCHEMA.star_table(
    carried("counterparty.counterparty_id"),
    carried("counterparty.counterparty_legal_name"),
    *(_legal(column) for column in _ADDRESS),
    _legal("phone", "phone_number"),
    key="counterparty_id",
    description="One row per company that we buy from or sell to, with its legal address.",
    max_rejected_rows=20,  # companies whose address has not arrived yet
)
def dim_counterparty(counterparty: pl.LazyFrame, address: pl.LazyFrame) -> pl.LazyFrame:
    addresses = address.select(
        pl.col("address_id").alias("legal_address_id"),
        *(pl.col(name).alias(f"counterparty_legal_{name}") for name in _ADDRESS),
        pl.col("phone").alias("counterparty_legal_phone_number"),
    )
    return counterparty.join(addresses, on="legal_address_id", how="left", maintain_order="left")


@SCHEMA.star_table(
    carried("payment_type.payment_type_id"),
    carried("payment_type.payment_type_name"),
    key="payment_type_id",
    description="One row per kind of payment.",
)
def dim_payment_type(payment_type: pl.LazyFrame) -> pl.LazyFrame:
    return payment_type


@SCHEMA.star_table(
    carried("transaction.transaction_id"),
    carried("transaction.transaction_type"),
    carried("transaction.sales_order_id"),
    carried("transaction.purchase_order_id"),
    key="transaction_id",
    description="One row per transaction. Every order has one transaction.",
)
def dim_transaction(transaction: pl.LazyFrame) -> pl.LazyFrame:
    return transaction


# --- facts: a row per version ----------------------------------------------------------------------------------------


@SCHEMA.star_table(
    _version_number("sales_record_id"),
    carried("sales_order.sales_order_id", description="The order."),
    *_date_and_time_columns("sales_order"),
    carried("sales_order.staff_id", "sales_staff_id", description="The member of staff who sold: dim_staff."),
    carried("sales_order.counterparty_id", description="The company that bought: dim_counterparty."),
    carried("sales_order.units_sold"),
    carried("sales_order.unit_price"),
    carried("sales_order.currency_id", description="The price's currency: dim_currency."),
    carried("sales_order.design_id", description="The design that was sold: dim_design."),
    _day_column("sales_order.agreed_payment_date", "The agreed day of payment: dim_date."),
    _day_column("sales_order.agreed_delivery_date", "The agreed day of delivery: dim_date."),
    carried("sales_order.agreed_delivery_location_id", description="The delivery address: dim_location."),
    key="sales_record_id",
    history="sales_order_id",
    description="Every version of every sale; `fact_sales_order_current` has the newest of each.",
    sortkey=("created_date",),
)
def fact_sales_order(sales_order: pl.LazyFrame) -> pl.LazyFrame:
    days = (_day("agreed_payment_date"), _day("agreed_delivery_date"))
    return sales_order.with_columns(*_dates_and_times(), *days, pl.col("staff_id").alias("sales_staff_id"))


@SCHEMA.star_table(
    _version_number("purchase_record_id"),
    carried("purchase_order.purchase_order_id", description="The order."),
    *_date_and_time_columns("purchase_order"),
    carried("purchase_order.staff_id", description="The member of staff who bought: dim_staff."),
    carried("purchase_order.counterparty_id", description="The company that sold: dim_counterparty."),
    carried("purchase_order.item_code"),
    carried("purchase_order.item_quantity"),
    carried("purchase_order.item_unit_price"),
    carried("purchase_order.currency_id", description="The price's currency: dim_currency."),
    _day_column("purchase_order.agreed_delivery_date", "The agreed day of delivery: dim_date."),
    _day_column("purchase_order.agreed_payment_date", "The agreed day of payment: dim_date."),
    carried("purchase_order.agreed_delivery_location_id", description="The delivery address: dim_location."),
    key="purchase_record_id",
    history="purchase_order_id",
    description="Every version of every purchase; `fact_purchase_orders_current` has the newest of each.",
    sortkey=("created_date",),
    aliases=("fact_purchase_order",),
)
def fact_purchase_orders(purchase_order: pl.LazyFrame) -> pl.LazyFrame:
    return purchase_order.with_columns(*_dates_and_times(), _day("agreed_delivery_date"), _day("agreed_payment_date"))


@SCHEMA.star_table(
    _version_number("payment_record_id"),
    carried("payment.payment_id", description="The payment."),
    *_date_and_time_columns("payment"),
    carried("payment.transaction_id", description="The transaction that is paid: dim_transaction."),
    carried("payment.counterparty_id", description="The other company: dim_counterparty."),
    carried("payment.payment_amount"),
    carried("payment.currency_id", description="The amount's currency: dim_currency."),
    carried("payment.payment_type_id", description="The kind: dim_payment_type."),
    carried("payment.paid", description="The source's flag. The source never sets it for payments due on weekends."),
    _day_column("payment.payment_date", "The day on which the payment is due: dim_date."),
    key="payment_record_id",
    history="payment_id",
    description="Every version of every payment; `fact_payment_current` has the newest of each. Account numbers are left out.",
    sortkey=("created_date",),
)
def fact_payment(payment: pl.LazyFrame) -> pl.LazyFrame:
    return payment.with_columns(*_dates_and_times(), _day("payment_date"))


# --- the calendar of the facts ---------------------------------------------------------------------------------------

DAYS = {
    "fact_sales_order": ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"),
    "fact_purchase_orders": ("created_date", "last_updated_date", "agreed_delivery_date", "agreed_payment_date"),
    "fact_payment": ("created_date", "last_updated_date", "payment_date"),
}
"""The date columns of each fact."""


def _calendar(name: str, kind: Type, description: str) -> Column:
    """A column of the calendar. Its days depend on every date of the facts."""
    path = " ".join(f"{fact}.{day}" for fact, days in DAYS.items() for day in days)
    return Column(name, kind, nullable=False, path=path, description=description)


@SCHEMA.star_table(
    _calendar("date_id", date, "The day."),
    _calendar("year", integer, "Its year."),
    _calendar("month", integer, "Its month, 1 to 12."),
    _calendar("day", integer, "Its day of the month, 1 to 31."),
    _calendar("day_of_week", integer, "As in ISO 8601: Monday is 1, Sunday is 7."),
    _calendar("day_name", varchar(16), "Monday to Sunday."),
    _calendar("month_name", varchar(16), "January to December."),
    _calendar("quarter", integer, "Its quarter, 1 to 4."),
    key="date_id",
    description="One row per day of every year in which a fact, in any version, has a date.",
    sortkey=("date_id",),
)
def dim_date(fact_sales_order: pl.LazyFrame, fact_purchase_orders: pl.LazyFrame, fact_payment: pl.LazyFrame) -> pl.LazyFrame:
    facts = {"fact_sales_order": fact_sales_order, "fact_purchase_orders": fact_purchase_orders, "fact_payment": fact_payment}
    dates = pl.concat([fact.select(pl.col(day).alias("date")) for name, fact in facts.items() for day in DAYS[name]])
    # Only years with a date, not all years from the first to the last: a mistyped date in the year 9999 adds one year, not eight thousand.
    years = dates.select(pl.col("date").dt.year().unique().sort().alias("year"))
    days = years.select(pl.date_ranges(pl.date("year", 1, 1), pl.date("year", 12, 31)).alias("date_id")).explode("date_id").drop_nulls()
    day = pl.col("date_id").dt
    return days.with_columns(
        day.year().alias("year"),
        day.month().alias("month"),
        day.day().alias("day"),
        day.weekday().alias("day_of_week"),
        day.strftime("%A").alias("day_name"),
        day.strftime("%B").alias("month_name"),
        day.quarter().alias("quarter"),
    )
