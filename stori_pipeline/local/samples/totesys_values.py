"""The values of totesys: its static rows, and random values for the others.

Belongs here: names, ranges, times and volumes of the application. Does not belong here: the rows of a given day (`totesys_past`), and any
database. The module uses only `Random.random()`, whose sequence Python guarantees, and whole cents for money.
"""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from stori_pipeline.local.samples.bank import pick

FIRST_DAY = date(2022, 11, 3)
STATIC_AT = datetime.combine(FIRST_DAY, time(14, 20, 49, 962_000))
COMPANIES_AT = datetime.combine(FIRST_DAY, time(14, 20, 51, 563_000))
FIRST_ORDERS_AT = datetime.combine(FIRST_DAY, time(14, 20, 52, 185_000))

OPENS, CLOSES = 8, 19
BATCH_AT = time(7, 55)

CURRENCIES = ("GBP", "USD", "EUR")
PAYMENT_TYPES = ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND")
SALES_RECEIPT, PURCHASE_PAYMENT = 1, 3

# The application's own data have the spelling "Leds".
DEPARTMENTS = (
    ("Sales", "Manchester", "Harriet Boyle"),
    ("Purchasing", "Manchester", "Owen Tattersall"),
    ("Production", "Leeds", "Priya Raman"),
    ("Dispatch", "Leds", "Stefan Wojcik"),
    ("Finance", "Manchester", "Grace Adeyemi"),
    ("Facilities", "Manchester", "Colin Brearley"),
    ("Communications", "Leeds", "Marta Silva"),
    ("HR", "Leeds", "Denise Oakes"),
)
TOWNS = ("Manchester", "Leeds", "Sheffield", "Liverpool", "York")

# No member of staff belongs to Sales; any member may be responsible for an order.
STAFF = (
    ("Amelia", "Barlow", 2),
    ("Declan", "Finch", 3),
    ("Nadia", "Rahman", 5),
    ("Tomasz", "Zielinski", 4),
    ("Ruth", "O'Keefe", 6),
    ("Gareth", "Pryce", 7),
    ("Ines", "Carvalho", 8),
    ("Kwame", "Mensah", 3),
    ("Beatrix", "Holm", 5),
    ("Liam", "Sugden", 4),
    ("Yusuf", "Demir", 2),
    ("Clara", "Whitlock", 7),
    ("Anton", "Berg", 6),
    ("Moira", "Kinsella", 8),
    ("Felix", "Amadi", 3),
    ("Sunita", "Patel", 2),
    ("Edgar", "Lowe", 5),
    ("Paloma", "Reyes", 4),
    ("Hugo", "Lindqvist", 7),
    ("Winifred", "Ashby", 6),
)

# Street, second line, district, town, postal code, country, telephone.
ADDRESSES = (
    ("14 Alder Passage", None, "Cumbria", "Northbeck", "01138", "Sierra Leone", "1753 204418"),
    ("2207 Birch Hollow", "Unit 4", None, "Port Ellery", "04524-5341", "Iceland", "2372 918205"),
    ("93 Cobbler Row", None, "Kent", "Wrenfield", "56693-0660", "United Kingdom", "8935 440172"),
    ("0579 Damson Lane", None, None, "East Marlow", "99305-7380", "Turkey", "6802 117943"),
    ("61 Ember Street", "Second Floor", "Avon", "Lake Corrin", "07702", "Democratic People's Republic of Korea", "9083 515872"),
    ("4 Fennel Court", None, "Borders", "Stonehaven Bay", "36305-3801", "Bouvet Island (Bouvetoya)", "4055 283901"),
    ("885 Gorse Hill", None, None, "New Tarrant", "89360", "Svalbard & Jan Mayen Islands", "2960 640018"),
    ("1720 Hazel Crossing", "Rear Yard", "Suffolk", "Oakridge", "00815-0042", "Saint Pierre and Miquelon", "7711 096320"),
    ("33 Ivy Terrace", None, "Powys", "Kirkdale", "42400-5199", "Congo", "1684 702118"),
    ("5061 Juniper Way", None, None, "South Helford", "88253", "Heard Island and McDonald Islands", "9687 331540"),
    ("78 Kestrel Mews", None, "Fife", "Brambleton", "50899-1522", "Iraq", "3316 852704"),
    ("240 Larch Embankment", "Dock 9", None, "Port Saxby", "03009", "Antarctica (the territory South of 60 deg S)", "5582 413376"),
    ("19 Mallow Gardens", None, "Dorset", "West Ansley", "12479-3368", "Lao People's Democratic Republic", "4410 968025"),
    ("606 Nettle Bridge", None, None, "Hollin Cross", "28550", "Trinidad and Tobago", "6147 220593"),
    ("8 Orchard Rise", "Suite 12", "Clwyd", "Fairlight", "60332-0917", "Cote d'Ivoire", "8026 774461"),
    ("317 Plover Road", None, "Rutland", "Ditchley", "75218", "Norway", "1290 635587"),
    ("45 Quince Square", None, None, "North Averill", "09981-2204", "Holy See (Vatican City State)", "3478 140926"),
    ("1102 Rowan Parade", "Block C", "Essex", "Candleford", "66451", "Uruguay", "7305 881340"),
    ("27 Sorrel Close", None, None, "Upper Withern", "31876-4410", "Micronesia", "5864 029717"),
    ("950 Teasel Drive", None, "Tayside", "Glen Orrin", "95120", "Bosnia and Herzegovina", "9943 566208"),
    ("3 Umber Walk", "Old Mill", None, "Saltby", "20067-8893", "Turks and Caicos Islands", "2618 307745"),
    ("728 Vetch Avenue", None, "Surrey", "Penrose", "47135", "Nepal", "6539 412860"),
    ("56 Willow Reach", None, "Gwent", "Lower Cadby", "83094-1175", "Virgin Islands, U.S.", "1077 995314"),
    ("1349 Yarrow Field", "Gate 2", None, "Eastwater", "05546", "Portugal", "4821 678039"),
    ("82 Aster Plaza", None, "Norfolk", "Ravensby", "71862-0031", "Sao Tome and Principe", "8250 143592"),
    ("410 Bracken Vale", None, None, "Mill Harrow", "34729", "Libyan Arab Jamahiriya", "3907 526681"),
    ("6 Clover Steps", "Annex", "Devon", "Thornley", "58411-6620", "Wallis and Futuna", "7164 809253"),
    ("2988 Dogwood Wharf", None, None, "Grand Pelling", "16203", "Korea", "5396 274408"),
    ("71 Elder Quay", None, None, "Swanmere", "90577-3349", "Antigua & Barbuda", "2043 951876"),
    ("504 Foxglove Cutting", "Floor 3", None, "Little Hexley", "02416", "Timor-Leste", "9712 368150"),
)

# Legal name, the number of its address, and the two contacts.
COUNTERPARTIES = (
    ("Fairbrother Inc", 15, "Micah Thorne", "Lena Fairbrother"),
    ("Larkspur, Weir and Sons", 28, "Melba Weir", "Jean Hollis"),
    ("Armitage, Voss and Noble", 2, "Jay Armitage", "Myra Noble"),
    ("Kessler Inc", 29, "Tilda Haag", "Alfred Kessler II"),
    ("Frame, Yeo and Greaves", 22, "Homer Frame", "Ivan Greaves"),
    ("Mraz LLC", 23, "Florence Cass", "Eva Upton"),
    ("Padgett, Lumley and Jarvis", 16, "Kirk Padgett", "Jonas Lumley"),
    ("Grantley - Lakes", 16, "Emily Orme", "Veronica Fay"),
    ("Price LLC", 18, "Sheryl Langley", "Simon Shore"),
    ("Bosworth, Grimshaw and Collier", 22, "Ron Bosworth", "Wilma Grimshaw"),
    ("Watt and Daughters", 23, "Rachel Watt", "Gail Mertens"),
    ("Hartnell, Frane and Rathbone", 14, "Alba Frane DDS", "Tracy Quill"),
    ("Macey - Wolfe", 18, "Edna Macey", "Hilda Crane"),
    ("Leander - Upshaw", 1, "Bruno Leander", "Sigrid Upshaw"),
    ("Ridley, O'Hara and Roe", 9, "Lorna Roe", "Fergus O'Hara"),
    ("Tillman Group", 2, "Nick Tillman", "Stella Boone"),
    ("Sawyer - Kemp", 4, "Adele Sawyer", "Oscar Kemp"),
    ("Holloway PLC", 12, "Jude Holloway", "Petra Lang"),
    ("Ferris, Blythe and Marsh", 15, "Vera Blythe", "Otto Marsh"),
    ("Easterby Ltd", 21, "Cyril Easterby", "Nora Finlay"),
)

DESIGN_NAMES = (
    "Bronze", "Concrete", "Cotton", "Fresh", "Frozen", "Granite", "Metal", "Plastic", "Rubber", "Soft", "Steel", "Wooden",
)  # fmt: skip
FOLDERS = tuple(
    top + sub
    for top in ("/usr", "/var", "/etc", "/opt", "/media", "/srv", "/Library", "/System", "/private", "/net")
    for sub in ("", "/bin", "/include", "/local/src", "/share", "/spool")
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

# The total numbers of sales, purchases and designs at the end of a day. In between they grow evenly over business days.
_GROWTH = (
    (date(2022, 11, 3), (6, 4, 10)),
    (date(2022, 11, 30), (45, 19, 27)),
    (date(2022, 12, 31), (221, 92, 46)),
    (date(2023, 11, 1), (5_017, 2_085, 236)),
    (date(2024, 11, 15), (11_187, 4_649, 473)),
    (date(2025, 2, 25), (12_836, 5_300, 535)),
    (date(2025, 6, 10), (14_621, 6_044, 607)),
)
_UNEVEN = 0.2
"""A total may deviate from even growth by this share of a day's growth."""


class Design(NamedTuple):
    created_at: datetime
    design_name: str
    file_location: str
    file_name: str
    last_updated: datetime


class Sale(NamedTuple):
    created_at: datetime
    last_updated: datetime
    design_id: int
    staff_id: int
    counterparty_id: int
    units_sold: int
    unit_price: Decimal
    currency_id: int
    agreed_delivery_date: str
    agreed_payment_date: str
    agreed_delivery_location_id: int

    @property
    def value(self) -> Decimal:
        return self.units_sold * self.unit_price


class Purchase(NamedTuple):
    created_at: datetime
    last_updated: datetime
    staff_id: int
    counterparty_id: int
    item_code: str
    item_quantity: int
    item_unit_price: Decimal
    currency_id: int
    agreed_delivery_date: str
    agreed_payment_date: str
    agreed_delivery_location_id: int

    @property
    def value(self) -> Decimal:
        return self.item_quantity * self.item_unit_price


class Transaction(NamedTuple):
    transaction_type: str
    sales_order_id: int | None
    purchase_order_id: int | None
    created_at: datetime
    last_updated: datetime


class Payment(NamedTuple):
    created_at: datetime
    last_updated: datetime
    transaction_id: int
    counterparty_id: int
    payment_amount: Decimal
    currency_id: int
    payment_type_id: int
    paid: bool
    payment_date: str
    company_ac_number: int
    counterparty_ac_number: int


def between(rng: random.Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def generator(seed: int, *what: object) -> random.Random:
    """A generator for one purpose, such as one day, which does not depend on the random numbers of any other."""
    return random.Random("/".join(map(str, (seed, *what))))


def is_business_day(day: date) -> bool:
    return day.weekday() < 5


def business_days(after: date, until: date) -> int:
    """The number of business days after the first day, up to and including the second."""

    def counted(day: date) -> int:
        weeks, rest = divmod(day.toordinal() - 1, 7)  # 0001-01-01 was a Monday
        return weeks * 5 + min(rest + 1, 5)

    return counted(until) - counted(after)


def volumes(day: date) -> tuple[int, int, int]:
    """The total numbers of sales, purchases and designs at the end of that day; zero before the first day."""
    if day < FIRST_DAY:
        return 0, 0, 0
    i = max(1, next((i for i, (end, _) in enumerate(_GROWTH) if end >= day), len(_GROWTH) - 1))
    (start, low), (end, high) = _GROWTH[i - 1 : i + 1]
    days, passed = business_days(start, end), business_days(start, day)
    # There is no deviation on a measured day. A weekend has the deviation of its Friday, because no rows arrive on a weekend.
    friday = day - timedelta(days=max(0, day.weekday() - 4))
    ahead = 0.0 if passed in (0, days) else (generator(0, friday).random() * 2 - 1) * _UNEVEN
    sales, purchases, designs = (int(a + (b - a) * (passed + ahead) / days) for a, b in zip(low, high, strict=True))
    return sales, purchases, designs


def arriving(day: date) -> tuple[int, int, int]:
    """The numbers of sales, purchases and designs that arrive on that day."""
    sales, purchases, designs = (now - then for now, then in zip(volumes(day), volumes(day - timedelta(days=1)), strict=True))
    return sales, purchases, designs


def moments(rng: random.Random, day: date, count: int) -> list[datetime]:
    """`count` instants of the application's day, ascending. The application writes orders about nine seconds after each full minute."""
    minutes = [between(rng, OPENS * 60, CLOSES * 60 - 1) for _ in range(count)]
    seconds = (9, 9, 9, 9, 10, 10, 10, 11)
    return sorted(datetime.combine(day, time(m // 60, m % 60, pick(rng, seconds), _millis(rng))) for m in minutes)


def _millis(rng: random.Random) -> int:
    """A random number of milliseconds, in microseconds. Zero is about twice as frequent as any other number."""
    return 0 if rng.random() < 0.001 else between(rng, 0, 999) * 1_000


def batch_at(rng: random.Random, day: date) -> datetime:
    return datetime.combine(day, BATCH_AT) + timedelta(seconds=between(rng, 9, 10), microseconds=_millis(rng))


def _within(rng: random.Random, at: datetime, days: int) -> str:
    """A random day within `days` days from `at`, as text."""
    return (at + timedelta(seconds=int(rng.random() * days * 86_400))).date().isoformat()


def code(rng: random.Random, length: int) -> str:
    return "".join(pick(rng, _ALPHABET) for _ in range(length))


def _account(rng: random.Random) -> int:
    return between(rng, 10_000_000, 99_999_999)


def design(rng: random.Random, at: datetime) -> Design:
    name = pick(rng, DESIGN_NAMES)
    file_day = (at - timedelta(days=between(rng, 1, 700))).strftime("%Y%m%d")
    return Design(at, name, pick(rng, FOLDERS), f"{name.lower()}-{file_day}-{code(rng, 4)}.json", at)


def sale(rng: random.Random, at: datetime, design_id: int) -> Sale:
    return Sale(
        created_at=at,
        last_updated=at,
        design_id=design_id,
        staff_id=between(rng, 1, len(STAFF)),
        counterparty_id=between(rng, 1, len(COUNTERPARTIES)),
        units_sold=between(rng, 1_000, 100_000),
        unit_price=Decimal(between(rng, 200, 400)).scaleb(-2),
        currency_id=between(rng, 1, len(CURRENCIES)),
        agreed_delivery_date=_within(rng, at, 7),
        agreed_payment_date=_within(rng, at, 6),
        agreed_delivery_location_id=between(rng, 1, len(ADDRESSES)),
    )


def purchase(rng: random.Random, at: datetime) -> Purchase:
    return Purchase(
        created_at=at,
        last_updated=at,
        staff_id=between(rng, 1, len(STAFF)),
        counterparty_id=between(rng, 1, len(COUNTERPARTIES)),
        item_code=code(rng, 7).upper(),
        item_quantity=between(rng, 1, 999),
        item_unit_price=Decimal(between(rng, 332, 99_907)).scaleb(-2),
        currency_id=between(rng, 1, len(CURRENCIES)),
        agreed_delivery_date=_within(rng, at, 7),
        agreed_payment_date=_within(rng, at, 6),
        agreed_delivery_location_id=between(rng, 1, len(ADDRESSES)),
    )


def transaction(order: Sale | Purchase, order_id: int) -> Transaction:
    """The transaction of an order."""
    sold = isinstance(order, Sale)
    return Transaction(
        "SALE" if sold else "PURCHASE", order_id if sold else None, None if sold else order_id, order.created_at, order.created_at
    )


def payment(rng: random.Random, order: Sale | Purchase, transaction_id: int) -> Payment:
    """The payment of an order, not paid yet."""
    return Payment(
        created_at=order.created_at,
        last_updated=order.created_at,
        transaction_id=transaction_id,
        counterparty_id=order.counterparty_id,
        payment_amount=order.value,
        currency_id=order.currency_id,
        payment_type_id=SALES_RECEIPT if isinstance(order, Sale) else PURCHASE_PAYMENT,
        paid=False,
        payment_date=order.agreed_payment_date,
        company_ac_number=_account(rng),
        counterparty_ac_number=_account(rng),
    )
