"""The star tables of the trading system: eight dimensions that hold the present, three facts that keep every version.

A column's `path` names every column that its values depend on, those that rows are joined by included; a test changes the inputs one
by one and holds the declarations to what then happens. Functions need not select: columns that the record does not name are left out.
"""

from __future__ import annotations

import polars as pl
from iso4217 import Currency

from stori_pipeline.model.star import star
from stori_pipeline.model.table import Column
from stori_pipeline.model.types import boolean, date, decimal, integer, time, varchar

_UNKNOWN = "Unknown"


def _day(text: str) -> pl.Expr:
    """A day that the source keeps as text; null where it is not `yyyy-mm-dd`, which `%Y-%m-%d` alone is not strict about."""
    well_formed = pl.col(text).str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$") & ~pl.col(text).str.starts_with("0000")
    return pl.when(well_formed).then(pl.col(text)).str.to_date("%Y-%m-%d", strict=False).alias(text)


def _written(*columns: str) -> list[pl.Expr]:
    """Each instant, which is in UTC as everywhere, split into a date and a time of day: `created_at` into `created_date` and
    `created_time`."""
    return [
        part
        for column in columns
        for part in (
            pl.col(column).dt.date().alias(f"{column.removesuffix('_at')}_date"),
            pl.col(column).dt.strftime("%H:%M:%S%.6f").alias(f"{column.removesuffix('_at')}_time"),
        )
    ]


def _split(table: str) -> tuple[Column, ...]:
    """The columns that `_written` makes of the two instants of every table."""
    said = {"created": "created_at", "last_updated": "last_updated"}
    meant = {"created": "was made", "last_updated": "was last written, as far as the application says"}
    return tuple(
        Column(f"{name}_{part}", kind, nullable=False, path=f"{table}.{path}", description=f"The {part} at which the row {meant[name]}.")
        for name, path in said.items()
        for part, kind in (("date", date), ("time", time))
    )


# --- dimensions ------------------------------------------------------------------------------------------------------


@star(
    "totesys",
    Column("staff_id", integer, nullable=False, path="staff.staff_id", description="Number of the member of staff."),
    Column("first_name", varchar(128), nullable=False, path="staff.first_name", description="Given name."),
    Column("last_name", varchar(128), nullable=False, path="staff.last_name", description="Surname."),
    Column(
        "department_name",
        varchar(128),
        nullable=False,
        path="staff.department_id department.department_id department.department_name",
        description="Where they work; 'Unknown' as long as the department has not arrived.",
    ),
    Column(
        "location",
        varchar(128),
        nullable=False,
        path="staff.department_id department.department_id department.location",
        description="The department's town; 'Unknown' where the source has none.",
    ),
    Column("email_address", varchar(320), nullable=False, path="staff.email_address", description="Work e-mail address."),
    key="staff_id",
    description="One row per member of staff, with the department folded in.",
)
def dim_staff(staff: pl.LazyFrame, department: pl.LazyFrame) -> pl.LazyFrame:
    departments = department.select("department_id", "department_name", "location")
    joined = staff.join(departments, on="department_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("department_name", "location").fill_null(_UNKNOWN))


@star(
    "totesys",
    Column("location_id", integer, nullable=False, path="address.address_id", description="Number of the address."),
    Column("address_line_1", varchar(256), nullable=False, path="address.address_line_1", description="House and street."),
    Column("address_line_2", varchar(256), path="address.address_line_2", description="Where one line was not enough."),
    Column("district", varchar(128), path="address.district", description="District or county, where there is one."),
    Column("city", varchar(128), nullable=False, path="address.city", description="The town."),
    Column("postal_code", varchar(32), nullable=False, path="address.postal_code", description="Text: leading zeros count."),
    Column("country", varchar(128), nullable=False, path="address.country", description="The country's English name."),
    Column("phone", varchar(32), nullable=False, path="address.phone", description="Telephone number."),
    key="location_id",
    description="One row per address that goods are delivered to.",
)
def dim_location(address: pl.LazyFrame) -> pl.LazyFrame:
    return address.rename({"address_id": "location_id"})


def _currency_name(code: str) -> str:
    try:
        return str(Currency(code).currency_name)
    except ValueError:
        return code


@star(
    "totesys",
    Column("currency_id", integer, nullable=False, path="currency.currency_id", description="Number of the currency."),
    Column("currency_code", varchar(12), nullable=False, path="currency.currency_code", description="Its code in ISO 4217."),
    Column(
        "currency_name",
        varchar(128),
        nullable=False,
        path="currency.currency_code",
        description="Its name in ISO 4217; the code itself where that standard does not know it.",
    ),
    key="currency_id",
    description="One row per currency that is traded in.",
)
def dim_currency(currency: pl.LazyFrame) -> pl.LazyFrame:
    name = pl.col("currency_code").map_elements(_currency_name, return_dtype=pl.String)
    return currency.with_columns(name.alias("currency_name"))


@star(
    "totesys",
    Column("design_id", integer, nullable=False, path="design.design_id", description="Number of the design."),
    Column("design_name", varchar(128), nullable=False, path="design.design_name", description="What it is called; many share a name."),
    Column("file_location", varchar(512), nullable=False, path="design.file_location", description="The folder of its file."),
    Column("file_name", varchar(256), nullable=False, path="design.file_name", description="Its file."),
    key="design_id",
    description="One row per design of a bag.",
)
def dim_design(design: pl.LazyFrame) -> pl.LazyFrame:
    return design


_OF_ADDRESS = ("address_line_1", "address_line_2", "district", "city", "postal_code", "country")


def _legal(name: str, width: int, of: str, *, nullable: bool = False) -> Column:
    path = f"counterparty.legal_address_id address.address_id address.{of}"
    return Column(f"counterparty_legal_{name}", varchar(width), nullable=nullable, path=path, description=f"Of its address in law: {of}.")


@star(
    "totesys",
    Column("counterparty_id", integer, nullable=False, path="counterparty.counterparty_id", description="Number of the company."),
    Column(
        "counterparty_legal_name",
        varchar(256),
        nullable=False,
        path="counterparty.counterparty_legal_name",
        description="Its name in law.",
    ),
    _legal("address_line_1", 256, "address_line_1"),
    _legal("address_line_2", 256, "address_line_2", nullable=True),
    _legal("district", 128, "district", nullable=True),
    _legal("city", 128, "city"),
    _legal("postal_code", 32, "postal_code"),
    _legal("country", 128, "country"),
    _legal("phone_number", 32, "phone"),
    key="counterparty_id",
    description="One row per company that is bought from and sold to, with its address in law.",
)
def dim_counterparty(counterparty: pl.LazyFrame, address: pl.LazyFrame) -> pl.LazyFrame:
    addresses = address.select(
        pl.col("address_id").alias("legal_address_id"),
        *(pl.col(name).alias(f"counterparty_legal_{name}") for name in _OF_ADDRESS),
        pl.col("phone").alias("counterparty_legal_phone_number"),
    )
    return counterparty.join(addresses, on="legal_address_id", how="left", maintain_order="left")


@star(
    "totesys",
    Column("payment_type_id", integer, nullable=False, path="payment_type.payment_type_id", description="Number of the kind."),
    Column("payment_type_name", varchar(32), nullable=False, path="payment_type.payment_type_name", description="Its name."),
    key="payment_type_id",
    description="One row per kind of payment.",
)
def dim_payment_type(payment_type: pl.LazyFrame) -> pl.LazyFrame:
    return payment_type


@star(
    "totesys",
    Column("transaction_id", integer, nullable=False, path="transaction.transaction_id", description="Number of the transaction."),
    Column("transaction_type", varchar(32), nullable=False, path="transaction.transaction_type", description="SALE or PURCHASE."),
    Column("sales_order_id", integer, path="transaction.sales_order_id", description="The order, where it is a sale."),
    Column("purchase_order_id", integer, path="transaction.purchase_order_id", description="The order, where it is a purchase."),
    key="transaction_id",
    description="One row per transaction, of which every order has one.",
)
def dim_transaction(transaction: pl.LazyFrame) -> pl.LazyFrame:
    return transaction


# --- facts: a row per version ----------------------------------------------------------------------------------------


@star(
    "totesys",
    Column("sales_record_id", integer, nullable=False, description="Number of the version, in the order of arrival."),
    Column("sales_order_id", integer, nullable=False, path="sales_order.sales_order_id", description="The order."),
    *_split("sales_order"),
    Column("sales_staff_id", integer, nullable=False, path="sales_order.staff_id", description="Who sold: dim_staff."),
    Column("counterparty_id", integer, nullable=False, path="sales_order.counterparty_id", description="Who bought: dim_counterparty."),
    Column("units_sold", integer, nullable=False, path="sales_order.units_sold", description="How many bags."),
    Column("unit_price", decimal(10, 2), nullable=False, path="sales_order.unit_price", description="Price per bag, in its currency."),
    Column("currency_id", integer, nullable=False, path="sales_order.currency_id", description="The price's currency: dim_currency."),
    Column("design_id", integer, nullable=False, path="sales_order.design_id", description="What was sold: dim_design."),
    Column("agreed_payment_date", date, nullable=False, path="sales_order.agreed_payment_date", description="When to pay: dim_date."),
    Column("agreed_delivery_date", date, nullable=False, path="sales_order.agreed_delivery_date", description="When to deliver: dim_date."),
    Column(
        "agreed_delivery_location_id",
        integer,
        nullable=False,
        path="sales_order.agreed_delivery_location_id",
        description="Where to deliver: dim_location.",
    ),
    key="sales_record_id",
    history="sales_order_id",
    description="Every version of every sale; `fact_sales_order_current` has the newest of each.",
    sortkey=("created_date",),
)
def fact_sales_order(sales_order: pl.LazyFrame) -> pl.LazyFrame:
    return sales_order.with_columns(
        *_written("created_at", "last_updated"),
        _day("agreed_payment_date"),
        _day("agreed_delivery_date"),
        pl.col("staff_id").alias("sales_staff_id"),
    )


@star(
    "totesys",
    Column("purchase_record_id", integer, nullable=False, description="Number of the version, in the order of arrival."),
    Column("purchase_order_id", integer, nullable=False, path="purchase_order.purchase_order_id", description="The order."),
    *_split("purchase_order"),
    Column("staff_id", integer, nullable=False, path="purchase_order.staff_id", description="Who bought: dim_staff."),
    Column("counterparty_id", integer, nullable=False, path="purchase_order.counterparty_id", description="Who sold: dim_counterparty."),
    Column("item_code", varchar(32), nullable=False, path="purchase_order.item_code", description="What was bought."),
    Column("item_quantity", integer, nullable=False, path="purchase_order.item_quantity", description="How many of it."),
    Column(
        "item_unit_price",
        decimal(10, 2),
        nullable=False,
        path="purchase_order.item_unit_price",
        description="Price per item, in its currency.",
    ),
    Column("currency_id", integer, nullable=False, path="purchase_order.currency_id", description="The price's currency: dim_currency."),
    Column(
        "agreed_delivery_date", date, nullable=False, path="purchase_order.agreed_delivery_date", description="When to deliver: dim_date."
    ),
    Column("agreed_payment_date", date, nullable=False, path="purchase_order.agreed_payment_date", description="When to pay: dim_date."),
    Column(
        "agreed_delivery_location_id",
        integer,
        nullable=False,
        path="purchase_order.agreed_delivery_location_id",
        description="Where to deliver: dim_location.",
    ),
    key="purchase_record_id",
    history="purchase_order_id",
    description="Every version of every purchase; `fact_purchase_orders_current` has the newest of each.",
    sortkey=("created_date",),
    also=("fact_purchase_order",),
)
def fact_purchase_orders(purchase_order: pl.LazyFrame) -> pl.LazyFrame:
    return purchase_order.with_columns(*_written("created_at", "last_updated"), _day("agreed_delivery_date"), _day("agreed_payment_date"))


@star(
    "totesys",
    Column("payment_record_id", integer, nullable=False, description="Number of the version, in the order of arrival."),
    Column("payment_id", integer, nullable=False, path="payment.payment_id", description="The payment."),
    *_split("payment"),
    Column("transaction_id", integer, nullable=False, path="payment.transaction_id", description="What is paid for: dim_transaction."),
    Column("counterparty_id", integer, nullable=False, path="payment.counterparty_id", description="The other company: dim_counterparty."),
    Column("payment_amount", decimal(10, 2), nullable=False, path="payment.payment_amount", description="How much, in its currency."),
    Column("currency_id", integer, nullable=False, path="payment.currency_id", description="The amount's currency: dim_currency."),
    Column("payment_type_id", integer, nullable=False, path="payment.payment_type_id", description="The kind: dim_payment_type."),
    Column("paid", boolean, nullable=False, path="payment.paid", description="The source's flag, which misses payments due on weekends."),
    Column("payment_date", date, nullable=False, path="payment.payment_date", description="When it is due: dim_date."),
    key="payment_record_id",
    history="payment_id",
    description="Every version of every payment; `fact_payment_current` has the newest of each. Account numbers are left out.",
    sortkey=("created_date",),
)
def fact_payment(payment: pl.LazyFrame) -> pl.LazyFrame:
    return payment.with_columns(*_written("created_at", "last_updated"), _day("payment_date"))


# --- the calendar of the facts ---------------------------------------------------------------------------------------

DAYS = {
    "fact_sales_order": ("created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"),
    "fact_purchase_orders": ("created_date", "last_updated_date", "agreed_delivery_date", "agreed_payment_date"),
    "fact_payment": ("created_date", "last_updated_date", "payment_date"),
}
"""The dates that each fact has."""
_ALL_DAYS = " ".join(f"{fact}.{day}" for fact, days in DAYS.items() for day in days)


@star(
    "totesys",
    Column("date_id", date, nullable=False, path=_ALL_DAYS, description="The day."),
    Column("year", integer, nullable=False, path=_ALL_DAYS, description="Its year."),
    Column("month", integer, nullable=False, path=_ALL_DAYS, description="Its month, 1 to 12."),
    Column("day", integer, nullable=False, path=_ALL_DAYS, description="Its day of the month, 1 to 31."),
    Column("day_of_week", integer, nullable=False, path=_ALL_DAYS, description="As in ISO 8601: Monday is 1, Sunday is 7."),
    Column("day_name", varchar(16), nullable=False, path=_ALL_DAYS, description="Monday to Sunday."),
    Column("month_name", varchar(16), nullable=False, path=_ALL_DAYS, description="January to December."),
    Column("quarter", integer, nullable=False, path=_ALL_DAYS, description="Its quarter, 1 to 4."),
    key="date_id",
    description="One row per day of every year in which a fact, in any version, has a date.",
    sortkey=("date_id",),
)
def dim_date(fact_sales_order: pl.LazyFrame, fact_purchase_orders: pl.LazyFrame, fact_payment: pl.LazyFrame) -> pl.LazyFrame:
    facts = {"fact_sales_order": fact_sales_order, "fact_purchase_orders": fact_purchase_orders, "fact_payment": fact_payment}
    needed = pl.concat([fact.select(pl.col(day).alias("needed")) for name, fact in facts.items() for day in DAYS[name]])
    # Years that are needed, not all from the first to the last: a mistyped date in the year 9999 costs one year, not eight thousand.
    years = needed.select(pl.col("needed").dt.year().unique().sort().alias("year"))
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
