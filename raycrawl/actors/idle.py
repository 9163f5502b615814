"""What the handlers of ``spider_idle`` say."""

from __future__ import annotations

from typing import Any

import msgspec

from raycrawl.exceptions import CloseSpider, DontCloseSpider


class IdleVerdict(msgspec.Struct, frozen=True, array_like=True):
    """The answer of one process: ``keep_open`` (DontCloseSpider), or a ``reason`` to close with (CloseSpider)."""

    keep_open: bool = False
    reason: str = ""


def idle_verdict(results: list[tuple[Any, Any]]) -> IdleVerdict:
    """What the handlers' results amount to: CloseSpider wins over DontCloseSpider."""
    errors = [getattr(result, "value", result) for _, result in results]
    for error in errors:
        if isinstance(error, CloseSpider):
            return IdleVerdict(False, error.reason or "cancelled")
    return IdleVerdict(any(isinstance(error, DontCloseSpider) for error in errors), "")
