"""Work for a pool that outlasts any test."""

import time


def long_work():
    print("working", flush=True)
    time.sleep(300)
