"""Compressed responses: ``Accept-Encoding`` on requests, decoding of ``Content-Encoding``."""

from __future__ import annotations

from logging import getLogger
from typing import TYPE_CHECKING, Any, Self

from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.http import Response, TextResponse
from raycrawl.responsetypes import responsetypes
from raycrawl.transport.http11 import TRUNCATE_NBYTES
from raycrawl.transport.inflate import InflateLimitExceeded, inflate, is_known

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Headers, Request
    from raycrawl.statscollectors import StatsCollector

logger = getLogger(__name__)

ACCEPTED_ENCODINGS: list[bytes] = [b"gzip", b"deflate", b"br", b"zstd"]

_ACCEPT = b", ".join(ACCEPTED_ENCODINGS)


class HttpCompressionMiddleware:
    """Decodes gzip, x-gzip, deflate (zlib and raw), br and zstd, also stacked.

    Stops, with IgnoreRequest, when more than ``DOWNLOAD_MAXSIZE`` (``meta["download_maxsize"]``) comes out. Codings
    that are not known stay in ``Content-Encoding``, with a warning.
    """

    def __init__(self, stats: StatsCollector | None = None, *, crawler: Crawler | None = None) -> None:
        self.stats = stats
        self._max_size = 0
        self._warn_size = 0
        self._crawler = crawler
        if crawler is not None:
            self.stats = crawler.stats
            settings = crawler.settings
            self._max_size = settings.getint("DOWNLOAD_MAXSIZE")
            self._warn_size = settings.getint("DOWNLOAD_WARNSIZE")
            if crawler.spider is not None:
                self._read_spider(crawler.spider)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        from raycrawl import signals

        if not crawler.settings.getbool("COMPRESSION_ENABLED"):
            raise NotConfigured
        middleware = cls(crawler=crawler)
        crawler.signals.connect(middleware.open_spider, signals.spider_opened)
        return middleware

    def open_spider(self, spider: Any) -> None:
        self._read_spider(spider)

    def _read_spider(self, spider: Any) -> None:
        self._max_size = getattr(spider, "download_maxsize", self._max_size)
        self._warn_size = getattr(spider, "download_warnsize", self._warn_size)

    def process_request(self, request: Request) -> Request | Response | None:
        headers = request.headers
        if b"Accept-Encoding" not in headers:
            headers[b"Accept-Encoding"] = _ACCEPT
        return None

    def process_response(self, request: Request, response: Response) -> Request | Response:
        if request.method == "HEAD" or b"Content-Encoding" not in response.headers:
            return response
        codings = _codings(response.headers)
        kept, done = _split(codings)
        if kept:
            logger.warning(
                "%s cannot decode the response for %s from unsupported encoding(s) '%s'.",
                type(self).__name__,
                response.url,
                b",".join(kept).decode("latin-1"),
            )
        if not codings:
            return response
        body = self._decode(request, response, done)
        if self.stats is not None:
            self.stats.inc_value("httpcompression/response_bytes", len(body))
            self.stats.inc_value("httpcompression/response_count")
        return _decoded(response, body, kept)

    def _decode(self, request: Request, response: Response, codings: list[bytes]) -> bytes:
        meta = request.meta
        max_size = meta.get("download_maxsize", self._max_size)
        warn_size = meta.get("download_warnsize", self._warn_size)
        truncate = meta.get(TRUNCATE_NBYTES)
        body = response.body
        try:
            for coding in codings:
                body = inflate(body, coding, truncate or max_size, may_truncate=truncate is not None)
        except InflateLimitExceeded as exc:
            message = (
                f"Ignored response {response} because its body ({len(response.body)} B compressed, "
                f"{exc.nbytes} B decompressed so far) exceeded DOWNLOAD_MAXSIZE ({max_size} B) during decompression."
            )
            logger.warning(message)
            raise IgnoreRequest(message) from exc
        if warn_size and len(response.body) < warn_size <= len(body):
            logger.warning(
                "%s body size after decompression (%d B) is larger than the download warning size (%d B).",
                response,
                len(body),
                warn_size,
            )
        return body


def _codings(headers: Headers) -> list[bytes]:
    """The codings in the order in which they were applied."""
    listed = b",".join(headers.getlist(b"Content-Encoding"))
    return [coding for coding in (part.strip().lower() for part in listed.split(b",")) if coding]


def _split(codings: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """``(codings that stay, codings to undo, last first)``: undoing ends at the first one that is not known."""
    undo: list[bytes] = []
    rest = list(codings)
    while rest and is_known(rest[-1]):
        undo.append(rest.pop())
    return rest, undo


def _decoded(response: Response, body: bytes, kept: list[bytes]) -> Response:
    headers = response.headers.copy()
    if kept:
        headers[b"Content-Encoding"] = kept
    else:
        del headers[b"Content-Encoding"]
    response_class = responsetypes.from_args(headers=headers, url=response.url, body=body)
    changes: dict[str, Any] = {"body": body, "headers": headers}
    if issubclass(response_class, TextResponse):
        # A TextResponse passes its encoding on when it is replaced; here it has to be found anew.
        changes["encoding"] = None
    return response.replace(cls=response_class, **changes)
