"""The errors of the lake, and what the errors of S3's clients mean.

Belongs here: the translation of errors. Does not belong here: the requests that raise them (`bucket`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stori_pipeline.settings.foreign import hint

_TRANSIENT_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "InternalError",
}


class LakeError(RuntimeError):
    """An operation on the lake failed. The message says where and what to do; the failed call committed nothing."""


class LakeUnavailable(LakeError):
    """S3 cannot be reached or is overloaded now. Of all LakeErrors, only this one is worth a retry."""


@contextmanager
def explained(doing: str, bucket: str, key: str) -> Iterator[None]:
    """Translates the errors of obstore into LakeErrors that name the operation and the object.

    A `FileNotFoundError` passes if it is the object that is missing.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError

    where = f"{doing} s3://{bucket}/{key}"
    try:
        yield
    except (AlreadyExistsError, InvalidPathError):
        raise
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and "<Code>NoSuchBucket</Code>" not in str(error):
            raise
        raise _of_obstore(where, bucket, error) from error


def _of_obstore(where: str, bucket: str, error: Exception) -> LakeError:
    # obstore has no attributes for them: the message has the status and the body of the answer. The lines after the first show the
    # objects that the message was made from.
    message = str(error).split("\n\nDebug source", 1)[0]
    status = re.search(r"status code: (\d{3})", message)
    named = re.search(r"<Code>(\w+)</Code>|\(code: (\w+)\)", message)
    code = named[1] or named[2] if named else status[1] if status else ""
    if status or code:
        return _of_answer(where, bucket, code, int(status[1]) if status else 0, error)
    if "redirect" in message:
        return LakeError(f"{where}: the bucket {bucket!r} is in another region; correct AWS_DEFAULT_REGION{hint('aws', message)}")
    if "HTTP error" in message or "error sending request" in message or "imeout" in message or "imed out" in message:
        return LakeUnavailable(f"{where}: S3 does not answer; check that it is up, then run again{hint('aws', error)}")
    cause = error.__cause__ or error.__context__
    about = type(cause or error).__name__
    return LakeError(f"{where}: {about}: {message[:300]}; check the AWS settings (credentials, region, endpoint){hint('aws', error)}")


def _of_answer(where: str, bucket: str, code: str, status: int, error: Exception) -> LakeError:
    if code in _TRANSIENT_CODES or status >= 500:
        return LakeUnavailable(f"{where}: S3 is busy and answers {code}; run again later")
    if code == "NoSuchBucket":
        return LakeError(f"{where}: there is no bucket {bucket!r}; create it, or correct the setting that names it")
    return LakeError(f"{where}: S3 refuses with {code}; check the role's permissions on the bucket{hint('aws', error)}")


@contextmanager
def explained_boto3(doing: str, bucket: str, key: str) -> Iterator[None]:
    """The same for botocore's errors."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError

    where = f"{doing} s3://{bucket}/{key}"
    try:
        yield
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise LakeUnavailable(
            f"{where}: S3 does not answer ({type(error).__name__}); check that it is up, then run again{hint('aws', error)}"
        ) from error
    except ClientError as error:
        raise _of_answer(where, bucket, code_of(error), status_of(error), error) from error
    except BotoCoreError as error:
        raise LakeError(
            f"{where}: {type(error).__name__}; check the AWS settings (credentials, region, endpoint){hint('aws', error)}"
        ) from error


def code_of(error: Any) -> str:
    """The code in botocore's ClientError."""
    return str(error.response.get("Error", {}).get("Code", "an unnamed error"))


def status_of(error: Any) -> int:
    """The HTTP status in botocore's ClientError."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
