"""Shifts the clock of a Python process by a value in the environment. Python imports this module before anything else.

Belongs here: nothing more. This folder is on the path only while the tests run at other moments.
"""

import os
import time

if offset := os.environ.get("TESTS_CLOCK_OFFSET"):
    import time_machine

    time_machine.travel(time.time() + float(offset), tick=True).start()
