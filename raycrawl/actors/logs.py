"""Log records and print() lines of an actor, on their way to the driver's log and terminal."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from raycrawl.core.messages import LogLine

PRINT_LEVEL = 0
"""The level of a line that was printed, not logged."""
FEED_LINE_LEVEL = -1
"""The level of what is really output of a feed to stdout (its bytes as Latin-1)."""


class LogShip(logging.Handler):
    """Formats a record where it is made and hands it on as a line; the driver writes it in the user's format."""

    def __init__(self, send: Callable[[LogLine], None], level: int | str) -> None:
        super().__init__(level)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hands the record on."""
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + (logging.Formatter().formatException(record.exc_info))
            self._send(LogLine(record.levelno, record.name, record.created, message))
        except Exception:
            self.handleError(record)

    @classmethod
    def install(cls, settings: Any, send: Callable[[LogLine], None]) -> None:
        """Makes this process log to ``send``, from LOG_LEVEL up, and print() likewise."""
        root = logging.getLogger()
        for handler in list(root.handlers):
            root.removeHandler(handler)
        enabled = settings.getbool("LOG_ENABLED", True)
        level = settings.get("LOG_LEVEL", "DEBUG") if enabled else logging.CRITICAL + 1
        root.addHandler(cls(send, level))
        root.setLevel(level)
        for name in ("asyncio", "ray", "filelock", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)
        sys.stdout = _PrintedLines(send)


class _PrintedLines(io.TextIOBase):
    """A stdout that hands on whole lines."""

    def __init__(self, send: Callable[[LogLine], None]) -> None:
        self._send = send
        self._part = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Takes text; complete lines go on."""
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            self._send(LogLine(PRINT_LEVEL, "print", time.time(), line))
        return len(text)

    def flush(self) -> None:
        """Sends an unfinished line."""
        if self._part:
            self._send(LogLine(PRINT_LEVEL, "print", time.time(), self._part))
            self._part = ""


def replay(line: LogLine, *, keeps_stdout: bool = False) -> None:
    """Writes a line of an actor in this process: output to stdout, anything else through its logger.

    ``keeps_stdout``: a feed has stdout for itself, so what the spider prints goes to stderr.
    """
    if line.level == FEED_LINE_LEVEL:
        sys.stdout.buffer.write(line.message.encode("latin-1"))
        sys.stdout.flush()
        return
    if line.level == PRINT_LEVEL:
        print(line.message, file=sys.stderr if keeps_stdout else sys.stdout)
        return
    log = logging.getLogger(line.name)
    if log.isEnabledFor(line.level):
        record = log.makeRecord(line.name, line.level, "", 0, line.message, (), None)
        record.created = line.created_s
        record.msecs = (line.created_s - int(line.created_s)) * 1000
        log.handle(record)
