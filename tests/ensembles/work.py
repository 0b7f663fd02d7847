"""Work for a pool that outlasts any test."""

import sys
import time


def long_work():
    sys.stdout.write("working\n")
    sys.stdout.flush()
    time.sleep(300)
