"""The base class for download handlers, at the path where Scrapy has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

__all__ = ["BaseDownloadHandler"]


class BaseDownloadHandler(ABC):
    """A download handler that knows its crawler."""

    lazy: bool = True

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    @abstractmethod
    async def download_request(self, request: Request) -> Response:
        """Fetch ``request``, raising the exceptions of raycrawl.exceptions."""

    async def close(self) -> None:
        """Release what the handler holds; here nothing."""
        return None
