"""The version of this program: from the repository's tags where it was built, as pip does."""

__all__ = ["__version__"]

try:
    from ._built import __version__
except ImportError:  # a clone that runs as it is
    __version__ = "0.1.0.dev0"
