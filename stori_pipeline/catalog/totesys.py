"""The source `totesys`: the trading application of a maker of tote bags, in Postgres.

Belongs here: definitions. Does not belong here: what a definition means (`model`). Its timestamps have no time zone and are read as UTC.
Its agreed dates are texts, and land as texts.
"""

from datetime import timedelta

from stori_pipeline.model.business_hours import BusinessHours
from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import boolean, decimal, integer, timestamptz, varchar
from stori_pipeline.readers.postgres import Xmin

SOURCE = Source(
    name="totesys",
    kind="postgres",
    description="The trading system: sales, purchases, and the payments for both.",
    owners=("team:sales", "team:finance"),
)

# Some edits do not set last_updated, hence Xmin. It is the cursor only for re-reading a past day.
_CREATED = Column("created_at", timestamptz, nullable=False, description="When the row was created.")
_UPDATED = Column(
    "last_updated", timestamptz, nullable=False, description="When the application last wrote the row. Silent edits do not set it."
)
_STAFF = Column("staff_id", integer, nullable=False, description="The member of our staff who is responsible for the order.")
_COUNTERPARTY = Column("counterparty_id", integer, nullable=False, description="The company that we trade with.")
_CURRENCY = Column("currency_id", integer, nullable=False, description="The currency of the price. This system has no exchange rates.")
_DELIVERY = Column("agreed_delivery_date", varchar(10), nullable=False, description="The agreed day of delivery, as text: yyyy-mm-dd.")
_PAYMENT = Column("agreed_payment_date", varchar(10), nullable=False, description="The agreed day of payment, as text: yyyy-mm-dd.")
_LOCATION = Column("agreed_delivery_location_id", integer, nullable=False, description="The delivery address.")


def _arrivals(late_after: int, stopped_after: int) -> BusinessHours:
    """Orders are entered from Monday to Friday between 08:00 and 19:00, also on bank holidays, and at no other time.

    Both arguments are in business hours. By chance alone a table gets no row for `late_after` less than once a year; no table has ever
    gone without a row for `stopped_after`.
    """
    return BusinessHours("created_at", 8, 19, late_after=timedelta(hours=late_after), stopped_after=timedelta(hours=stopped_after))


TABLES = (
    Table(
        source=SOURCE,
        name="address",
        description="One row per address, of companies and of delivery places.",
        columns=(
            Column("address_id", integer, nullable=False, description="Number of the address."),
            Column("address_line_1", varchar(256), nullable=False, description="House number and street."),
            Column("address_line_2", varchar(256), description="Second line, if there is one."),
            Column("district", varchar(128), description="District or county, if there is one."),
            Column("city", varchar(128), nullable=False, description="Town or city."),
            Column("postal_code", varchar(32), nullable=False, description="Postal code, as text with leading zeros."),
            Column("country", varchar(128), nullable=False, description="The country's English name, with its punctuation."),
            Column("phone", varchar(32), nullable=False, description="Telephone number, as NNNN NNNNNN."),
            _CREATED,
            _UPDATED,
        ),
        key=("address_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="counterparty",
        description="One row per company that we buy from or sell to.",
        columns=(
            Column("counterparty_id", integer, nullable=False, description="Number of the company."),
            Column(
                "counterparty_legal_name",
                varchar(256),
                nullable=False,
                description="The company's legal name; it may contain commas and dashes.",
            ),
            Column(
                "legal_address_id", integer, nullable=False, description="The company's legal address; several companies may share one."
            ),
            Column("commercial_contact", varchar(256), description="The contact for business."),
            Column("delivery_contact", varchar(256), description="The contact for deliveries."),
            _CREATED,
            _UPDATED,
        ),
        key=("counterparty_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="currency",
        description="One row per currency that we trade in.",
        columns=(
            Column("currency_id", integer, nullable=False, description="Number of the currency."),
            Column("currency_code", varchar(12), nullable=False, description="ISO 4217 code, such as GBP."),
            _CREATED,
            _UPDATED,
        ),
        key=("currency_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="department",
        description="One row per department of our company.",
        columns=(
            Column("department_id", integer, nullable=False, description="Number of the department."),
            Column("department_name", varchar(128), nullable=False, description="The department's name."),
            Column("location", varchar(128), description="The department's town, as somebody typed it."),
            Column("manager", varchar(256), description="The head of the department."),
            _CREATED,
            _UPDATED,
        ),
        key=("department_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="design",
        description="One row per design of a bag, with the location of its file.",
        columns=(
            Column("design_id", integer, nullable=False, description="Number of the design."),
            _CREATED,
            Column("design_name", varchar(128), nullable=False, description="The design's name; many designs share one."),
            Column(
                "file_location", varchar(512), nullable=False, description="The folder of the design's file. Silent edits change it often."
            ),
            Column("file_name", varchar(256), nullable=False, description="The design's file: name-yyyymmdd-xxxx.json."),
            _UPDATED,
        ),
        key=("design_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="staff",
        description="One row per member of our staff.",
        columns=(
            Column("staff_id", integer, nullable=False, description="Number of the member of staff."),
            Column("first_name", varchar(128), nullable=False, description="Given name."),
            Column("last_name", varchar(128), nullable=False, description="Surname; it may contain an apostrophe."),
            Column("department_id", integer, nullable=False, description="The department of this person."),
            Column("email_address", varchar(320), nullable=False, description="E-mail address: first.last@ our company."),
            _CREATED,
            _UPDATED,
        ),
        key=("staff_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="sales_order",
        description="One row per order that a counterparty places with us.",
        columns=(
            Column("sales_order_id", integer, nullable=False, description="Serial number, in the order of entry."),
            _CREATED,
            _UPDATED,
            Column("design_id", integer, nullable=False, description="The design sold."),
            _STAFF,
            _COUNTERPARTY,
            Column("units_sold", integer, nullable=False, description="Number of bags."),
            Column("unit_price", decimal(10, 2), nullable=False, description="Price per bag, in the order's currency."),
            _CURRENCY,
            _DELIVERY,
            _PAYMENT,
            _LOCATION,
        ),
        key=("sales_order_id",),
        changes=Xmin(),
        cursor="last_updated",
        arrivals=_arrivals(7, 22),
        sortkey=("created_at",),
    ),
    Table(
        source=SOURCE,
        name="purchase_order",
        description="One row per order that we place with a counterparty.",
        columns=(
            Column("purchase_order_id", integer, nullable=False, description="Serial number, in the order of entry."),
            _CREATED,
            _UPDATED,
            _STAFF,
            _COUNTERPARTY,
            Column(
                "item_code",
                varchar(32),
                nullable=False,
                description="Code of the item bought: seven capital letters and digits; each code is used once.",
            ),
            Column("item_quantity", integer, nullable=False, description="Number of items."),
            Column("item_unit_price", decimal(10, 2), nullable=False, description="Price per item, in the order's currency."),
            _CURRENCY,
            _DELIVERY,
            _PAYMENT,
            _LOCATION,
        ),
        key=("purchase_order_id",),
        changes=Xmin(),
        cursor="last_updated",
        arrivals=_arrivals(14, 33),
        sortkey=("created_at",),
    ),
    Table(
        source=SOURCE,
        name="payment_type",
        description="One row per kind of payment. Two kinds are refunds, which no payment uses.",
        columns=(
            Column("payment_type_id", integer, nullable=False, description="Number of the kind of payment."),
            Column(
                "payment_type_name",
                varchar(32),
                nullable=False,
                description="SALES_RECEIPT, SALES_REFUND, PURCHASE_PAYMENT or PURCHASE_REFUND.",
            ),
            _CREATED,
            _UPDATED,
        ),
        key=("payment_type_id",),
        changes=Xmin(),
        cursor="last_updated",
    ),
    Table(
        source=SOURCE,
        name="transaction",
        description="One row per sales or purchase order, created together with it.",
        columns=(
            Column("transaction_id", integer, nullable=False, description="Serial number across both kinds of order."),
            Column("transaction_type", varchar(32), nullable=False, description="SALE or PURCHASE."),
            Column("sales_order_id", integer, description="The sales order, if it is a sale."),
            Column("purchase_order_id", integer, description="The purchase order, if it is a purchase."),
            _CREATED,
            _UPDATED,
        ),
        key=("transaction_id",),
        changes=Xmin(),
        cursor="last_updated",
        arrivals=_arrivals(5, 11),
    ),
    Table(
        source=SOURCE,
        name="payment",
        description="One row per transaction: the amount to pay, and whether it was paid.",
        columns=(
            Column("payment_id", integer, nullable=False, description="Serial number."),
            _CREATED,
            _UPDATED,
            Column("transaction_id", integer, nullable=False, description="The transaction that is paid."),
            _COUNTERPARTY,
            Column("payment_amount", decimal(10, 2), nullable=False, description="Quantity times price of the order."),
            _CURRENCY,
            Column("payment_type_id", integer, nullable=False, description="The kind of payment."),
            Column(
                "paid",
                boolean,
                nullable=False,
                description="Set by a run on the morning of payment_date. On a day without that run, such as a weekend, it stays false.",
            ),
            Column("payment_date", varchar(10), nullable=False, description="The day on which it is due, as text: yyyy-mm-dd."),
            Column("company_ac_number", integer, nullable=False, description="Our account number: eight digits, different in each row."),
            Column(
                "counterparty_ac_number",
                integer,
                nullable=False,
                description="The other company's account number: eight digits, different in each row.",
            ),
        ),
        key=("payment_id",),
        changes=Xmin(),
        cursor="last_updated",
        arrivals=_arrivals(5, 11),
        sortkey=("created_at",),
    ),
)
