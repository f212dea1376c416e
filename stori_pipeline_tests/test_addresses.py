"""A password that is not escaped in an address stands in no error, wherever a driver would look for it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stori_pipeline.readers import SourceError, reader_for
from stori_pipeline.settings import SettingError, Settings
from stori_pipeline.settings.addresses import is_unescaped
from stori_pipeline.settings.listing import list_settings
from stori_pipeline.warehouse import Warehouse, WarehouseError

BROKEN = ["SECRET/x", "12/SECRET", "a@SECRET", "SECRET?x", "SECRET#x", "a@SECRET?x", "[SECRET", "SECRET:a/b", "12@SECRET/5432"]
ADDRESSES = ["postgresql://reader:{}@db.example/shop", "mongodb://reader:{}@db.example:27017/shop?replicaSet=rs"]


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1), st.sampled_from(ADDRESSES))
def test_an_escaped_password_is_accepted_and_one_with_a_special_character_is_not(password: str, address: str) -> None:
    assert not is_unescaped(address.format(quote(password, safe="")))
    assert is_unescaped(address.format(password + "/"))
    assert is_unescaped(address.format("@" + password))
    assert is_unescaped(address.format(quote(password, safe="") + "%"))


@pytest.mark.parametrize("address", ["postgresql://db/shop?options=a@b", "postgresql:///shop", "https://api.example/users/a@b", "sqs://q"])
def test_an_address_without_a_password_is_accepted(address: str) -> None:
    assert not is_unescaped(address)


@pytest.mark.parametrize("password", BROKEN)
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_reader_and_no_setting_repeats_a_password_that_is_not_escaped(address: str, password: str) -> None:
    url = address.format(password)
    kind = url.partition("://")[0].replace("postgresql", "postgres")
    reader = None
    with pytest.raises(SourceError, match="%40") as raised:
        reader = reader_for(kind, url)
        reader.describe("shop")
    written = [str(raised.value), repr(raised.value), repr(raised.value.__cause__), repr(reader)]
    with pytest.raises(SettingError, match=r"STORI_SOURCE_SHOP has a .*%2F") as refused:
        Settings({"STORI_SOURCE_SHOP": url}).source_url("shop")
    written.append(str(refused.value))
    written += [str(each) for each in list_settings(Settings({"STORI_SOURCE_SHOP": url}), ["shop"])]
    assert not [each for each in written if "SECRET" in each]


@pytest.mark.parametrize("password", BROKEN)
def test_the_warehouse_does_not_repeat_a_password_that_is_not_escaped(password: str) -> None:
    with pytest.raises(WarehouseError, match="malformed") as raised:
        Warehouse(ADDRESSES[0].format(password), "default").query("SELECT 1")
    assert "SECRET" not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
