"""The tenant's log. What an agent prints goes there too, as ``info`` and ``warn``."""

from __future__ import annotations

from . import host

Level = host.log.Level


def write(level: Level, message: object) -> None:
    """Writes at a level: a line for each line of the text."""
    host.ready()
    for line in str(message).encode("utf-8", "replace").decode("utf-8").splitlines() or [""]:
        host.log.write(level, line)


def trace(message: object) -> None:
    """Writes a line at ``trace``."""
    write(Level.TRACE, message)


def debug(message: object) -> None:
    """Writes a line at ``debug``."""
    write(Level.DEBUG, message)


def info(message: object) -> None:
    """Writes a line at ``info``."""
    write(Level.INFO, message)


def warn(message: object) -> None:
    """Writes a line at ``warn``."""
    write(Level.WARN, message)


def error(message: object) -> None:
    """Writes a line at ``error``."""
    write(Level.ERROR, message)
