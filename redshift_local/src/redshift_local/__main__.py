"""`python -m redshift_local`: the same as the command `redshift-local`."""

from __future__ import annotations

import sys

from redshift_local.command import main

if __name__ == "__main__":
    sys.exit(main())
