"""The base of spider middlewares that look at one request or item at a time.

A page has 30-100 links, and every enabled middleware sees each of them. A subclass that leaves
``process_spider_output`` alone is therefore *fused*: ``SpiderMiddlewareManager`` runs one loop for a whole run of such
middlewares and calls their steps directly. A step is made once per response (``request_step``), which is where work
that does not depend on the link belongs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from raycrawl.http import Request

if TYPE_CHECKING:
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Response
    from raycrawl.spiders import Spider

# One request or item in, the same, another, or None (drop it) out.
Step = Callable[[Any], Any]


class BaseSpiderMiddleware:
    """Optional base class: override ``get_processed_request`` and ``get_processed_item``.

    Both get one object from a callback (``response`` is its page) or from ``Spider.start()`` (``response`` is None) and
    return it, a replacement, or None to drop it.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler: Crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The processed requests and items of ``Spider.start()``."""
        async for one in start:
            processed = self._processed(one, None)
            if processed is not None:
                yield processed

    def process_spider_output(
        self, response: Response | None, result: Iterable[Any], spider: Spider | None = None
    ) -> Iterator[Any]:
        """The processed requests and items of a callback that is a plain generator."""
        for one in result:
            processed = self._processed(one, response)
            if processed is not None:
                yield processed

    async def process_spider_output_async(
        self, response: Response | None, result: AsyncIterator[Any], spider: Spider | None = None
    ) -> AsyncIterator[Any]:
        """The processed requests and items of a callback that is an async generator."""
        async for one in result:
            processed = self._processed(one, response)
            if processed is not None:
                yield processed

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        """Override: ``request``, a replacement, or None to drop it."""
        return request

    def get_processed_item(self, item: Any, response: Response | None) -> Any:
        """Override: ``item``, a replacement, or None to drop it."""
        return item

    def request_step(self, response: Response | None) -> Step | None:
        """What ``get_processed_request`` does to the requests of one response, with the per-response work done.

        Returns None when no request of this response needs it. It MUST do what ``get_processed_request`` does; a
        subclass that overrides only ``get_processed_request`` is served by that method.
        """
        if self._overrides("get_processed_request"):
            return partial(self.get_processed_request, response=response)
        return None

    def item_step(self, response: Response | None) -> Step | None:
        """The same for items."""
        if self._overrides("get_processed_item"):
            return partial(self.get_processed_item, response=response)
        return None

    def is_fusible(self) -> bool:
        """True when this middleware's whole output work is its two steps."""
        outputs = ("process_spider_output", "process_spider_output_async", "_processed")
        return not any(self._overrides(name) for name in outputs)

    def request_binder(self) -> Callable[[Response | None], Step | None] | None:
        """What gives the request step of a response, None when this middleware never touches a request."""
        if not self._overrides("get_processed_request"):
            return None
        if _depth_of(self, "request_step") <= _depth_of(self, "get_processed_request"):
            return self.request_step
        return partial(BaseSpiderMiddleware.request_step, self)

    def item_binder(self) -> Callable[[Response | None], Step | None] | None:
        """What gives the item step of a response, None when this middleware never touches an item."""
        return self.item_step if self._overrides("get_processed_item") else None

    def _overrides(self, name: str) -> bool:
        return name in vars(self) or getattr(type(self), name) is not getattr(BaseSpiderMiddleware, name)

    def _processed(self, one: Any, response: Response | None) -> Any:
        if isinstance(one, Request):
            return self.get_processed_request(one, response)
        return self.get_processed_item(one, response)


def _depth_of(middleware: BaseSpiderMiddleware, name: str) -> int:
    """How far up the class hierarchy ``name`` is defined; -1 for the instance itself."""
    if name in vars(middleware):
        return -1
    return next(depth for depth, cls in enumerate(type(middleware).__mro__) if name in vars(cls))
