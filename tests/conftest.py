"""What all tests share: figures without a screen, and the Hypothesis profiles."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("default", deadline=None, max_examples=40, print_blob=True)
# The same examples every time, so that more of them show nothing new from run to run.
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, max_examples=20)
settings.register_profile("brief", settings.get_profile("ci"), max_examples=10)


def _profile() -> str:
    """The name in HYPOTHESIS_PROFILE, or else "ci" where CI is set to something true."""
    in_ci = os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}
    return os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if in_ci else "default")


settings.load_profile(_profile())
