"""``SitemapSpider``: start from sitemaps, sitemap indexes, or the sitemaps that a robots.txt names."""

from __future__ import annotations

import gzip
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lxml import etree

from raycrawl.http import Request, Response, XmlResponse
from raycrawl.spiders import Spider
from raycrawl.utils.gz import DecompressionMaxSizeExceeded, gunzip, gzip_magic_number
from raycrawl.utils.sitemap import Sitemap, sitemap_urls_from_robots

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    RegexT = str | re.Pattern[str]
    CallbackT = Callable[..., Any]

_NO_SETTINGS_MAXSIZE = 128 * 1024 * 1024  # the default of DOWNLOAD_MAXSIZE, for a spider without a crawler


class SitemapSpider(Spider):
    """Crawls the pages that sitemaps list.

    Attributes:
        sitemap_urls: URLs of sitemaps, sitemap indexes, or of a robots.txt whose ``Sitemap`` lines are used.
        sitemap_rules: (regular expression, callback) pairs, the callback a method or its name. The first whose
            expression is found in a page's URL gets it, no page that none matches is crawled. Default: all, ``parse``.
        sitemap_follow: regular expressions: the sitemaps of an index are followed when one is found in their URL.
            Default: all.
        sitemap_alternate_links: whether the alternates of a page (other languages) are crawled, too.

    ``DOWNLOAD_MAXSIZE`` (or ``meta["download_maxsize"]``) also bounds what a compressed sitemap may grow to.
    """

    sitemap_urls: Sequence[str] = ()
    sitemap_rules: Sequence[tuple[RegexT, CallbackT | str]] = [("", "parse")]
    sitemap_follow: Sequence[RegexT] = [""]
    sitemap_alternate_links: bool = False

    def __init__(self, *a: Any, **kw: Any) -> None:
        super().__init__(*a, **kw)
        self._rules: list[tuple[re.Pattern[str], CallbackT]] = []
        for regex, callback in self.sitemap_rules:
            method = getattr(self, callback) if isinstance(callback, str) else callback
            self._rules.append((re.compile(regex), method))
        self._follow = [re.compile(regex) for regex in self.sitemap_follow]

    async def start(self) -> AsyncIterator[Any]:
        """A request for each of ``sitemap_urls``."""
        for url in self.sitemap_urls:
            yield Request(url, self._parse_sitemap)

    def sitemap_filter(self, entries: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Choose, or change, the entries of a sitemap or index, e.g. by ``lastmod``. See ``raycrawl.utils.sitemap``."""
        yield from entries

    def _parse_sitemap(self, response: Response) -> Iterator[Request]:
        if response.url.endswith("/robots.txt"):
            for url in sitemap_urls_from_robots(response.body, base_url=response.url):
                yield Request(url, self._parse_sitemap)
            return
        sitemap = self._sitemap_of(response)
        if sitemap is None:
            return
        locations = self._locations(self.sitemap_filter(sitemap))
        if sitemap.type == "sitemapindex":
            for url in locations:
                if any(regex.search(url) for regex in self._follow):
                    yield from self._requests(response, url, self._parse_sitemap)
        elif sitemap.type == "urlset":
            for url in locations:
                callback = next((callback for regex, callback in self._rules if regex.search(url)), None)
                if callback is not None:
                    yield from self._requests(response, url, callback)

    def _locations(self, entries: Iterable[dict[str, Any]]) -> Iterator[str]:
        for entry in entries:
            yield entry["loc"]
            if self.sitemap_alternate_links:
                yield from entry.get("alternate", ())

    def _requests(self, response: Response, url: str, callback: CallbackT) -> Iterator[Request]:
        """The request for ``url``; none, and a warning, for what is no URL."""
        try:
            yield Request(response.urljoin(url) if url else url, callback)
        except ValueError as error:
            logger.warning("Ignoring an entry of sitemap %s: %s", response.url, error, extra={"spider": self})

    def _sitemap_of(self, response: Response) -> Sitemap | None:
        """The sitemap in ``response``; None, and a warning, when there is none."""
        try:
            body = self._get_sitemap_body(response)
            sitemap = Sitemap(body) if body is not None else None
        except DecompressionMaxSizeExceeded as error:
            logger.warning("Ignoring sitemap %s: %s", response.url, error, extra={"spider": self})
            return None
        except (etree.XMLSyntaxError, gzip.BadGzipFile, EOFError):
            sitemap = None
        if sitemap is None:
            logger.warning("Ignoring invalid sitemap: %s", response, extra={"spider": self})
        return sitemap

    def _get_sitemap_body(self, response: Response) -> bytes | None:
        """The XML of a sitemap, decompressed; None for a response that is none."""
        if isinstance(response, XmlResponse):
            return response.body
        if gzip_magic_number(response):
            return gunzip(response.body, max_size=self._max_nbytes(response))
        # A gzipped sitemap that was decompressed on its way here keeps its name.
        if response.url.endswith((".xml", ".xml.gz")):
            return response.body
        return None

    def _max_nbytes(self, response: Response) -> int:
        settings = getattr(self, "settings", None)
        default = _NO_SETTINGS_MAXSIZE if settings is None else settings.getint("DOWNLOAD_MAXSIZE")
        meta = response.request.meta if response.request is not None else {}
        return int(meta.get("download_maxsize", default))


__all__ = ["SitemapSpider"]
