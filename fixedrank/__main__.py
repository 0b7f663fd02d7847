"""``python -m fixedrank``: the command line."""

import sys

from fixedrank.command import main

if __name__ == "__main__":
    sys.exit(main())
