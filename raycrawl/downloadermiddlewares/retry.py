"""Trying again what failed for a while: busy servers, lost connections.

A 429 or 503 that says ``Retry-After`` also holds the site's slot for that long, so that nothing else disturbs it.
"""

from __future__ import annotations

import email.utils
import logging
import time
from typing import TYPE_CHECKING, Any, Self

from raycrawl.exceptions import NotConfigured
from raycrawl.urls import hostname_of
from raycrawl.utils.misc import load_object
from raycrawl.utils.python import global_object_name
from raycrawl.utils.response import response_status_message

if TYPE_CHECKING:
    from logging import Logger

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response
    from raycrawl.settings import BaseSettings
    from raycrawl.spiders import Spider

retry_logger = logging.getLogger(__name__)

# A server may name any time; no crawl waits longer than this for one site (RFC 9110 section 10.2.3 sets no bound).
MAX_RETRY_AFTER_S = 600.0


def get_retry_request(
    request: Request,
    *,
    spider: Spider,
    reason: str | Exception | type[Exception] = "unspecified",
    max_retry_times: int | None = None,
    priority_adjust: int | None = None,
    logger: Logger = retry_logger,
    stats_base_key: str = "retry",
    give_up_log_level: int | str | None = None,
) -> Request | None:
    """A copy of ``request`` to try again, or None when it was tried often enough.

    Args:
        reason: for the log and the ``retry/reason_count/*`` stat; an exception counts by its class.
        max_retry_times: else ``meta["max_retry_times"]``, else ``RETRY_TIMES``.
        priority_adjust: added to the priority; else ``RETRY_PRIORITY_ADJUST``.
        stats_base_key: counts go to ``{stats_base_key}/count``, ``/reason_count/{reason}`` and ``/max_reached``.
        give_up_log_level: of the last message; else ``RETRY_GIVE_UP_LOG_LEVEL``.
    """
    settings = spider.crawler.settings
    stats = spider.crawler.stats
    assert stats is not None
    retry_times = request.meta.get("retry_times", 0) + 1
    if max_retry_times is None:
        max_retry_times = request.meta.get("max_retry_times")
    if max_retry_times is None:
        max_retry_times = settings.getint("RETRY_TIMES")
    if retry_times > max_retry_times:
        stats.inc_value(f"{stats_base_key}/max_reached")
        logger.log(
            _log_level(request.meta.get("give_up_log_level", give_up_log_level), settings),
            "Gave up retrying %(request)s (failed %(retry_times)d times): %(reason)s",
            {"request": request, "retry_times": retry_times, "reason": reason},
            extra={"spider": spider},
        )
        return None
    logger.debug(
        "Retrying %(request)s (failed %(retry_times)d times): %(reason)s",
        {"request": request, "retry_times": retry_times, "reason": reason},
        extra={"spider": spider},
    )
    new_request = request.copy()
    new_request.meta["retry_times"] = retry_times
    new_request.dont_filter = True
    if priority_adjust is None:
        priority_adjust = settings.getint("RETRY_PRIORITY_ADJUST")
    new_request.priority = request.priority + priority_adjust
    if callable(reason):
        reason = reason()
    if isinstance(reason, Exception):
        reason = global_object_name(type(reason))
    stats.inc_value(f"{stats_base_key}/count")
    stats.inc_value(f"{stats_base_key}/reason_count/{reason}")
    return new_request


def _log_level(level: int | str | None, settings: BaseSettings) -> int:
    if level is None:
        level = settings.get("RETRY_GIVE_UP_LOG_LEVEL", "ERROR")
    if isinstance(level, str) and not level.isdigit():
        number = logging.getLevelNamesMapping().get(level.upper())
        if number is None:
            raise ValueError(f"RETRY_GIVE_UP_LOG_LEVEL: {level!r} is no log level")
        return number
    return int(level or 0)


def retry_after_s(response: Response, now_s: float) -> float | None:
    """The seconds that ``Retry-After`` asks for (a number or a date), None when it says nothing that can be read."""
    raw = response.headers.get(b"Retry-After")
    if raw is None:
        return None
    value = raw.decode("latin-1").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


class RetryMiddleware:
    """Retries responses with a code of ``RETRY_HTTP_CODES`` and exceptions of ``RETRY_EXCEPTIONS``."""

    crawler: Crawler

    def __init__(self, settings: BaseSettings) -> None:
        if not settings.getbool("RETRY_ENABLED"):
            raise NotConfigured
        self.max_retry_times = settings.getint("RETRY_TIMES")
        self.retry_http_codes = {int(code) for code in settings.getlist("RETRY_HTTP_CODES")}
        self.priority_adjust = settings.getint("RETRY_PRIORITY_ADJUST")
        self.exceptions_to_retry: tuple[type[Exception], ...] = tuple(
            load_object(entry) for entry in settings.getlist("RETRY_EXCEPTIONS")
        )
        self.give_up_log_level = settings.get("RETRY_GIVE_UP_LOG_LEVEL")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler.settings)
        middleware.crawler = crawler
        return middleware

    def process_response(self, request: Request, response: Response) -> Request | Response:
        if response.status in (429, 503):
            self._hold_slot(request, response)
        if response.status not in self.retry_http_codes or request.meta.get("dont_retry", False):
            return response
        return self._retry(request, response_status_message(response.status)) or response

    def process_exception(self, request: Request, exception: Exception) -> Request | Response | None:
        if isinstance(exception, self.exceptions_to_retry) and not request.meta.get("dont_retry", False):
            return self._retry(request, exception)
        return None

    def _retry(self, request: Request, reason: str | Exception | type[Exception]) -> Request | None:
        spider = self.crawler.spider
        assert spider is not None
        return get_retry_request(
            request,
            reason=reason,
            spider=spider,
            max_retry_times=request.meta.get("max_retry_times", self.max_retry_times),
            priority_adjust=request.meta.get("priority_adjust", self.priority_adjust),
            give_up_log_level=request.meta.get("give_up_log_level", self.give_up_log_level),
        )

    def _hold_slot(self, request: Request, response: Response) -> None:
        delay_s = retry_after_s(response, time.time())
        if not delay_s:
            return
        slot = request.meta.get("download_slot") or hostname_of(request.url)
        retry_logger.info("%s asks for a pause of %g s (Retry-After)", slot, delay_s)
        if self.crawler.stats is not None:
            self.crawler.stats.inc_value("retry/retry_after")
        engine = _engine_of(self.crawler)
        pause = getattr(engine, "pause_slot", None)
        if pause is not None:
            pause(slot, min(delay_s, MAX_RETRY_AFTER_S))


def _engine_of(crawler: Crawler) -> Any:
    """The engine, None outside of a crawl."""
    try:
        return crawler.engine
    except RuntimeError:
        return None
