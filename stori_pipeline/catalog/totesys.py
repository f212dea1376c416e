"""The trading application of a maker of tote bags, in Postgres.

Its timestamps are naive and are read as UTC; dates that were agreed are texts, and land as texts.
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

# Not every change moves last_updated, hence Xmin. It is the cursor only because it says on which day a row was last written openly.
_CREATED = Column("created_at", timestamptz, nullable=False, description="When the row was made.")
_UPDATED = Column(
    "last_updated", timestamptz, nullable=False, description="When the application says it last wrote the row; edits past it do not show."
)
_STAFF = Column("staff_id", integer, nullable=False, description="Who in our staff answers for the order.")
_COUNTERPARTY = Column("counterparty_id", integer, nullable=False, description="The other company.")
_CURRENCY = Column("currency_id", integer, nullable=False, description="The currency of the price; there are no rates in this system.")
_DELIVERY = Column("agreed_delivery_date", varchar(10), nullable=False, description="Day of delivery, as text: yyyy-mm-dd.")
_PAYMENT = Column("agreed_payment_date", varchar(10), nullable=False, description="Day of payment, as text: yyyy-mm-dd.")
_LOCATION = Column("agreed_delivery_location_id", integer, nullable=False, description="The address of delivery.")


def _arrivals(late_after: int, stopped_after: int) -> BusinessHours:
    """Orders are entered from Monday to Friday between 08:00 and 19:00, bank holidays included, and never else. In hours of that time:
    chance alone leaves a table without a row for `late_after` less than once a year, and never did for `stopped_after`."""
    return BusinessHours("created_at", 8, 19, late_after=timedelta(hours=late_after), stopped_after=timedelta(hours=stopped_after))


TABLES = (
    Table(
        source=SOURCE,
        name="address",
        description="One row per address: of companies, and of places that goods are delivered to.",
        columns=(
            Column("address_id", integer, nullable=False, description="Number of the address."),
            Column("address_line_1", varchar(256), nullable=False, description="House and street."),
            Column("address_line_2", varchar(256), description="Where one line was not enough."),
            Column("district", varchar(128), description="District or county, where there is one."),
            Column("city", varchar(128), nullable=False, description="The town."),
            Column("postal_code", varchar(32), nullable=False, description="Text: leading zeros count."),
            Column("country", varchar(128), nullable=False, description="The country's English name, with whatever marks that has."),
            Column("phone", varchar(32), nullable=False, description="Telephone number: NNNN NNNNNN."),
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
        description="One row per company that is bought from and sold to.",
        columns=(
            Column("counterparty_id", integer, nullable=False, description="Number of the company."),
            Column("counterparty_legal_name", varchar(256), nullable=False, description="Its name in law; commas and dashes included."),
            Column("legal_address_id", integer, nullable=False, description="Its address in law, which others may share."),
            Column("commercial_contact", varchar(256), description="Whom to talk to about business."),
            Column("delivery_contact", varchar(256), description="Whom to talk to about deliveries."),
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
        description="One row per currency that is traded in.",
        columns=(
            Column("currency_id", integer, nullable=False, description="Number of the currency."),
            Column("currency_code", varchar(12), nullable=False, description="Its code in ISO 4217."),
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
        description="One row per department of our own.",
        columns=(
            Column("department_id", integer, nullable=False, description="Number of the department."),
            Column("department_name", varchar(128), nullable=False, description="What it is called."),
            Column("location", varchar(128), description="The town it is in, as someone typed it."),
            Column("manager", varchar(256), description="Who leads it."),
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
        description="One row per design of a bag, and where its file is.",
        columns=(
            Column("design_id", integer, nullable=False, description="Number of the design."),
            _CREATED,
            Column("design_name", varchar(128), nullable=False, description="What it is called; many share a name."),
            Column("file_location", varchar(512), nullable=False, description="The folder of its file; moves without a trace."),
            Column("file_name", varchar(256), nullable=False, description="Its file: name-yyyymmdd-xxxx.json."),
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
            Column("last_name", varchar(128), nullable=False, description="Surname; apostrophes included."),
            Column("department_id", integer, nullable=False, description="Where they work."),
            Column("email_address", varchar(320), nullable=False, description="first.last@ the company."),
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
        description="One row per order of a counterparty to us.",
        columns=(
            Column("sales_order_id", integer, nullable=False, description="Serial number, in the order of entry."),
            _CREATED,
            _UPDATED,
            Column("design_id", integer, nullable=False, description="The design that is sold."),
            _STAFF,
            _COUNTERPARTY,
            Column("units_sold", integer, nullable=False, description="How many bags."),
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
        description="One row per order of ours to a counterparty.",
        columns=(
            Column("purchase_order_id", integer, nullable=False, description="Serial number, in the order of entry."),
            _CREATED,
            _UPDATED,
            _STAFF,
            _COUNTERPARTY,
            Column("item_code", varchar(32), nullable=False, description="What is bought: seven capitals and digits, each code used once."),
            Column("item_quantity", integer, nullable=False, description="How many of it."),
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
        description="One row per kind of payment; refunds are foreseen and never made.",
        columns=(
            Column("payment_type_id", integer, nullable=False, description="Number of the kind."),
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
        description="One row per order, of either kind, made with it.",
        columns=(
            Column("transaction_id", integer, nullable=False, description="Serial number over both kinds of order."),
            Column("transaction_type", varchar(32), nullable=False, description="SALE or PURCHASE."),
            Column("sales_order_id", integer, description="The order, where it is a sale."),
            Column("purchase_order_id", integer, description="The order, where it is a purchase."),
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
        description="One row per transaction: what is to be paid for it, and whether it was.",
        columns=(
            Column("payment_id", integer, nullable=False, description="Serial number."),
            _CREATED,
            _UPDATED,
            Column("transaction_id", integer, nullable=False, description="What is paid for."),
            _COUNTERPARTY,
            Column("payment_amount", decimal(10, 2), nullable=False, description="Quantity times price of the order."),
            _CURRENCY,
            Column("payment_type_id", integer, nullable=False, description="The kind of payment."),
            Column(
                "paid", boolean, nullable=False, description="Set by the morning run of the day; a day without that run leaves it unset."
            ),
            Column("payment_date", varchar(10), nullable=False, description="Day it is due, as text: yyyy-mm-dd."),
            Column("company_ac_number", integer, nullable=False, description="Our account: eight digits, another each time."),
            Column("counterparty_ac_number", integer, nullable=False, description="Their account: eight digits, another each time."),
        ),
        key=("payment_id",),
        changes=Xmin(),
        cursor="last_updated",
        arrivals=_arrivals(5, 11),
        sortkey=("created_at",),
    ),
)
