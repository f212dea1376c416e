"""Variables of other programs that change how a connection is made, and so can break ours.

Belongs here: which they are, and naming those that are set. Does not belong here: connecting. Some are wanted, such as a proxy, so none
is removed: an error names them.
"""

from __future__ import annotations

import os

from stori_pipeline.settings import dotenv

_VARIABLES = {
    "postgres": ("PGSSLMODE", "PGSSLROOTCERT", "PGOPTIONS", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGHOSTADDR", "PGTZ"),
    "aws": ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY"),
    "http": ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"),
}

_OF_TLS = ("AWS_CA_BUNDLE", "HTTPS_PROXY", "SSL_CERT_FILE")


def hint(kind: str, address: str = "") -> str:
    """A clause for the error of a failed connection: the variables that are set and change it; "" if there is none.

    Args:
        kind: `postgres`, `aws` or `http`.
        address: what was to be reached; of `aws` it is the endpoint that the environment names, if it names one.
    """
    ours = dotenv.mark()
    address = address or (os.environ.get("AWS_ENDPOINT_URL", "") if kind == "aws" else "")
    variables = [name for name in _VARIABLES[kind] if not (address.startswith("http://") and name in _OF_TLS)]
    names = [each for name in variables for each in ({name, name.lower()} if "PROXY" in name else {name})]
    found = sorted(name for name in names if os.environ.get(name) and name not in ours)
    if not found:
        return ""
    verb = "are set and change" if len(found) > 1 else "is set and changes"
    return f"; {' and '.join(found)} {verb} this connection: unset what is meant for another program"
