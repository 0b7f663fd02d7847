"""The version of the installed package."""

from importlib import metadata


def version() -> str:
    """Return the version, or what a checkout has that is not installed."""
    try:
        return metadata.version("fixedrank")
    except metadata.PackageNotFoundError:
        return "0+unknown"
