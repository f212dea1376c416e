"""Variables of other programs that change how a connection is made, and so can break ours.

Belongs here: which they are, and naming those that are set. Does not belong here: connecting. Some are wanted, such as a proxy, so none
is removed: an error names them.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from stori_pipeline.settings import dotenv

_VARIABLES = {
    "postgres": ("PGSSLMODE", "PGSSLROOTCERT", "PGOPTIONS", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGHOSTADDR", "PGTZ"),
    "aws": ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY"),
    "http": ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"),
}

_ONLY_IF = {
    name: signs
    for names, signs in (
        (("AWS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLMODE", "PGSSLROOTCERT"), re.compile("ssl|tls|certificate", re.IGNORECASE)),
        (("PGOPTIONS", "PGTZ"), re.compile("parameter|option|setting|time ?zone", re.IGNORECASE)),
    )
    for name in names
}
"""Variables that are to blame only for errors whose message has such words."""


def hint(kind: str, error: object = "", address: str = "") -> str:
    """A clause for the error of a failed connection: the variables that are set and change it; "" if there is none.

    Args:
        kind: `postgres`, `aws` or `http`.
        error: what failed; its message clears variables of another failure.
        address: what was to be reached; of `aws` it is the endpoint that the environment names, if it names one.
    """
    ours = dotenv.mark()
    address = address or (os.environ.get("AWS_ENDPOINT_URL", "") if kind == "aws" else "")
    found = sorted(
        name
        for variable in _VARIABLES[kind]
        for name in ({variable, variable.lower()} if "PROXY" in variable else {variable})
        if os.environ.get(name) and name not in ours and _may_be_to_blame(variable, address, str(error))
    )
    if not found:
        return ""
    verb = "are set and change" if len(found) > 1 else "is set and changes"
    return f"; {' and '.join(found)} {verb} this connection: unset what is meant for another program"


def _may_be_to_blame(variable: str, address: str, error: str) -> bool:
    if variable.endswith("_PROXY"):
        return not address or variable in _proxies(address)
    return variable not in _ONLY_IF or _ONLY_IF[variable].search(error) is not None


def _proxies(address: str) -> set[str]:
    """The variables that give an address its proxy."""
    from urllib.request import getproxies_environment, proxy_bypass  # only for the error of a failed connection

    parts, proxies = urlsplit(address), getproxies_environment()
    if proxy_bypass(parts.hostname or ""):
        return set()
    return {f"{parts.scheme.upper()}_PROXY"} if parts.scheme in proxies else {"ALL_PROXY"}
