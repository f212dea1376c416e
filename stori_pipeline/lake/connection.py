"""A connection to S3: where it is, whose credentials sign the requests, and the clients that make them.

Belongs here: settings of clients. Does not belong here: requests and what their errors mean (`bucket`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stori_pipeline.clock import utc_now
from stori_pipeline.lake.errors import LakeError
from stori_pipeline.settings import aws
from stori_pipeline.settings.foreign import hint

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Credential, S3Store

_CONNECT_SECONDS = 5
_REQUEST_SECONDS = 60
_ATTEMPTS = 4

_FRESH = timedelta(minutes=5)
"""How long the store keeps credentials that boto3 gave it. boto3 itself renews them long before they expire."""

_CONFIG_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}

_ONLY_BOTO3_READS = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
)  # fmt: skip


@dataclass(frozen=True)
class Connection:
    """One S3 and one identity. Safe to use from several threads.

    obstore makes nearly all requests, because it takes a third of boto3's processor time, and a tenth of its time to import. boto3's client
    makes the few that obstore has not, and gives the credentials that only boto3 finds: profiles, roles, and single sign-on.
    """

    region: str
    endpoint: str
    """Its address; "" for AWS's own in that region."""
    credentials: Callable[[], Mapping[str, Any]] | None
    """The credentials, in obstore's form, now; None for those of the container that the process runs in."""
    make_client: Callable[[], S3Client]
    verify: bool | str = True
    """False trusts every certificate; a path names the file of those to trust, too."""
    _stores: dict[str, S3Store] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @cached_property
    def client(self) -> S3Client:
        """boto3's client; slow to import. Raises LakeError if the AWS settings are no settings of a client."""
        return self.make_client()

    def store(self, bucket: str) -> S3Store:
        """obstore's view of a bucket. Every request has a timeout and is tried at most four times."""
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._new_store(bucket)
            return self._stores[bucket]

    def _new_store(self, bucket: str) -> S3Store:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        options: ClientConfig = {
            "allow_http": self.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "timeout": timedelta(seconds=_REQUEST_SECONDS),
        }
        # What the environment would set, an argument sets here: obstore reads the environment for all that is not given.
        where: dict[str, Any] = {"region": self.region}
        if self.endpoint:
            where |= {"endpoint": self.endpoint, "aws_endpoint_url_s3": self.endpoint, "virtual_hosted_style_request": False}
        else:
            where["virtual_hosted_style_request"] = "." not in bucket  # the certificate covers one label
        if self.credentials is not None:
            where["credential_provider"] = self.credentials
        try:
            if self.verify is False:
                options["allow_invalid_certificates"] = True
            elif isinstance(self.verify, str):
                options["root_certificate"] = Path(self.verify).read_bytes()
            return S3Store(
                bucket,
                client_options=options,
                retry_config={
                    "max_retries": _ATTEMPTS - 1,
                    "retry_timeout": timedelta(seconds=3 * _REQUEST_SECONDS),
                    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
                },
                **where,
            )
        except (BaseError, OSError, ValueError) as error:
            raise _unusable(str(error).split("\n", 1)[0]) from error


def connect(profile: str | None = None, **client: Any) -> Connection:
    """A connection to S3. Address, region and credentials come from the standard `AWS_*` environment, unless an argument gives them.

    Args:
        profile: a profile of the AWS configuration.
        client: arguments of `boto3.session.Session.client`.

    Raises:
        LakeError: the AWS settings are no settings of a client, such as a profile that does not exist.
    """

    def make_client() -> S3Client:
        return _boto3_client(profile, client)

    if profile or client or not _environment_suffices():
        return connection_of(make_client(), client.get("verify"))
    environ = os.environ
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    in_container = "AWS_ACCESS_KEY_ID" not in environ
    return Connection(
        _region(), endpoint, None if in_container else _environment_credentials, make_client, environ.get("AWS_CA_BUNDLE") or True
    )


def connection_of(client: S3Client, verify: bool | str | None = None) -> Connection:
    """The connection that a client of boto3 has, such as that of dagster-aws's `S3Resource`.

    Args:
        verify: as in boto3; it cannot be found in the client.
    """

    def credentials() -> Mapping[str, Any]:
        # botocore's client has no public method for its credentials.
        found = client._request_signer._credentials  # type: ignore[attr-defined]
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        keys = found.get_frozen_credentials()
        return _credentials(keys.access_key, keys.secret_key, keys.token, utc_now() + _FRESH)

    endpoint = client.meta.endpoint_url
    region = client.meta.region_name
    on_aws = endpoint in (f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com")
    trusted = os.environ.get("AWS_CA_BUNDLE") or True if verify is None else verify
    return Connection("us-east-1" if region == "aws-global" else region, "" if on_aws else endpoint, credentials, lambda: client, trusted)


def _environment_suffices() -> bool:
    """Whether the environment says everything that boto3 would look for elsewhere, so that boto3 need not be imported."""
    environ = os.environ
    if any(environ.get(name) for name in _ONLY_BOTO3_READS) or not _region() or _region()[:3] not in _PLAIN_REGIONS:
        return False
    has_files = any(Path(environ.get(name) or default).expanduser().exists() for name, default in _CONFIG_FILES.items())
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return not has_files or bool(environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"))
    in_container = bool(environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
    others = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    return in_container and not has_files and not any(environ.get(name) for name in others)


_PLAIN_REGIONS = ("af-", "ap-", "ca-", "eu-", "il-", "me-", "mx-", "sa-", "us-")
"""How the regions begin whose addresses end with amazonaws.com."""


def _region() -> str:
    return os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or ""


def _environment_credentials() -> Mapping[str, Any]:
    environ = os.environ
    return _credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN") or None, None)


def _credentials(key: str, secret: str, token: str | None, expires: datetime | None) -> S3Credential:
    return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": expires}


def _boto3_client(profile: str | None, arguments: Mapping[str, Any]) -> S3Client:
    from botocore.config import Config  # slow to import
    from botocore.exceptions import BotoCoreError

    config = Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_REQUEST_SECONDS,
        max_pool_connections=32,  # the landing's threads, times a few tables at once
    )
    try:
        return aws.session(profile).client("s3", config=config, **arguments)
    except (BotoCoreError, ValueError) as error:
        raise _unusable(error) from error


def _unusable(error: object) -> LakeError:
    return LakeError(f"S3 cannot be used with these AWS settings: {error}{hint('aws', error)}")
