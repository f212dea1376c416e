"""Decodes Postgres's COPY in binary format into the buffers of Arrow arrays, in C.

Belongs here: the format, and receiving it through the libpq that the driver has loaded. Does not belong here: SQL, and what becomes of
rows whose values do not fit; `decode` returns None for a block with one. It needs neither pyarrow nor a driver.
"""

from copy_decoder._native import cut, decode, receive, scan

__all__ = ["cut", "decode", "receive", "scan"]
