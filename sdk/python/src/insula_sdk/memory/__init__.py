"""The host's functions in memory, for tests: the rules of ``wit/`` on storage and cache, with a clock that stands still
until it is told. There is no quota, nothing is kept on disk, and nobody else is there.

The modules have the names and forms of those that componentize-py makes from ``wit/``.
"""

from . import cache, config, handler, log, storage, types, usage
from .types import Refused

__all__ = ["Refused", "cache", "config", "handler", "log", "storage", "types", "usage"]
