"""The files of partners: daily settlements of the card schemes and lists of merchants, with realistic errors.

Belongs here: the content of the files, and writing them into the bucket. Does not belong here: reading them. The same seed gives the same
files. Some are gzipped, two are truncated, one is dropped again with other amounts, some have names that need quoting, and two keys are not
files with rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stori_pipeline.local.samples.report import SampleError
from stori_pipeline.local.samples.s3_files import s3_client
from stori_pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MERCHANTS = 40
DAYS = 20
FIRST_DAY = date(2024, 11, 1)

_SCHEMES = ("visa", "mastercard")
_CITIES = (("GB", "Leeds"), ("GB", "Manchester"), ("DE", "Köln"), ("FR", "Saint-Étienne"), ("US", "St. Louis"), ("IE", "Dún Laoghaire"))
_CURRENCY = {"GB": "GBP", "US": "USD"}
_NAMES = ("Corner Shop", "Bäckerei Ünal", "O'Keefe & Sons", "Totes, Bags and More", "Café “Zwei”", "Books\tetc.")
# The spelling of a partner's export: some names are padded, some are in capitals.
_HEADER = (
    "Settlement Date",
    " MERCHANT.ID ",
    "Scheme",
    "currency",
    "Transactions",
    " GROSS AMOUNT ",
    "Fee_Amount",
    "NET AMOUNT",
    "Reference",
)


@dataclass(frozen=True)
class DropCounts:
    """Numbers of readable files, of the rows in them by table, and of broken files."""

    files: int
    settlements: int
    merchants: int
    broken: int


def merchants(seed: int) -> list[dict[str, object]]:
    """The merchants, each as a JSON object."""
    rng = random.Random(f"merchants {seed}")
    objects: list[dict[str, object]] = []
    for number in range(1, MERCHANTS + 1):
        country, city = rng.choice(_CITIES)
        objects.append(
            {
                "id": f"M{number:05d}",
                "name": f"{rng.choice(_NAMES)} {number}",
                "category": f"{rng.choice((742, 5411, 5812, 5942, 7299)):04d}",
                "address": {"country": country, "city": city},
                "active": rng.random() < 0.9,
                "opened_on": (date(2010, 1, 1) + timedelta(days=rng.randrange(5_000))).isoformat(),
                "tags": rng.choice((None, [], ["key account"], {"risk": rng.choice((0.5, 1, 2.25))}, "new")),
            }
        )
    return objects


def settlements(seed: int, day: date) -> list[tuple[str, ...]]:
    """The rows of one day, with the columns of `_HEADER`."""
    rng = random.Random(f"settlements {seed} {day}")
    rows: list[tuple[str, ...]] = []
    for merchant in merchants(seed):
        for scheme in _SCHEMES:
            if rng.random() < 0.1:
                continue
            address = merchant["address"]
            assert isinstance(address, dict)  # noqa: S101  (for the type checker)
            gross = Decimal(rng.randrange(1_000, 900_000)) / 100
            fee = (gross * Decimal("0.014")).quantize(Decimal("0.01"))
            cells = (str(rng.randrange(1, 300)), f" {gross} ", f"{fee}", f"{gross - fee}", rng.choice(("", "batch, late", 'said "ok"')))
            rows.append((day.isoformat(), str(merchant["id"]), scheme, _CURRENCY.get(address["country"], "EUR"), *cells))
    return rows


def settlement_file(rows: list[tuple[str, ...]]) -> bytes:
    """A CSV file with these rows."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_HEADER, *rows])
    return text.getvalue().encode()


def write_drops(environ: Mapping[str, str], seed: int = 1, *, first: date = FIRST_DAY, days: int = DAYS) -> DropCounts:
    """Drop `days` settlement files from the day `first` on, and the merchants in each JSON format.

    A second call with the same arguments drops the same files again, like a partner who does not know whether they arrived.

    Raises:
        SettingError: `STORI_SOURCE_DROPS` is not set.
        SampleError: S3 does not answer, or refuses.
    """
    files = _settlement_files(seed, first, days) | _merchant_files(seed)
    # Files are dropped in the order of their names. The first day's file is dropped with wrong amounts first, and then corrected.
    correct = settlement_file(settlements(seed, first))
    broken = {
        "card_settlements/cut-off.csv": correct[: correct.index(b"\r\n", 1_500) + 20],  # in the middle of a line
        "merchants/half.json.gz": gzip.compress(json.dumps({"data": merchants(seed)}).encode(), mtime=0)[:-200],
    }
    empty_keys = {"merchants/": b"", "card_settlements/_SUCCESS": b""}
    wrong = settlement_file([(*row[:6], "0", row[5].strip(), *row[8:]) for row in settlements(seed, first)])
    first_name = min(_settlement_files(seed, first, days))
    s3, bucket = _bucket(environ)
    try:
        s3.put_object(Bucket=bucket, Key=first_name, Body=wrong)
        for key, body in sorted((files | broken | empty_keys).items()):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    except s3.exceptions.ClientError as error:
        raise SampleError(f"the sample files cannot be written to s3://{bucket}: {error}") from error
    finally:
        s3.close()
    rows = sum(len(settlements(seed, first + timedelta(days=number))) for number in range(days))
    return DropCounts(len(files), rows, MERCHANTS, len(broken))


def holds_files(environ: Mapping[str, str]) -> bool:
    """Whether the bucket has any file. Errors as for `write_drops`."""
    s3, bucket = _bucket(environ)
    try:
        return bool(s3.list_objects_v2(Bucket=bucket, MaxKeys=1).get("KeyCount"))
    except s3.exceptions.ClientError as error:
        raise SampleError(f"s3://{bucket} cannot be listed: {error}") from error
    finally:
        s3.close()


def _settlement_files(seed: int, first: date, days: int) -> dict[str, bytes]:
    files = {}
    for number in range(days):
        day = first + timedelta(days=number)
        body = settlement_file(settlements(seed, day))
        if number % 3 == 1:
            files[f"card_settlements/{day}.csv.gz"] = gzip.compress(body, mtime=0)
        elif number % 7 == 2:
            files[f"card_settlements/date={day}/Nachtrag (1) + 50%, žluťoučký.csv"] = body
        else:
            files[f"card_settlements/{day}.csv"] = body
    return files


def _merchant_files(seed: int) -> dict[str, bytes]:
    objects = merchants(seed)
    third = MERCHANTS // 3
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in objects[:third])
    array = json.dumps(objects[third : 2 * third], indent=1, ensure_ascii=False)
    data = json.dumps({"data": objects[2 * third :]})
    return {
        "merchants/2024-11-01.jsonl": lines.encode(),
        "merchants/2024-11-02.json": array.encode(),
        "merchants/2024-11-03.json.gz": gzip.compress(data.encode(), mtime=0),
    }


def _bucket(environ: Mapping[str, str]) -> tuple[S3Client, str]:
    return s3_client(environ), urlsplit(Settings(environ).source_url("drops")).netloc
