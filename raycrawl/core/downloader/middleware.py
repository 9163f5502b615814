"""The chain of downloader middlewares around a download.

A page passes some twenty hooks, nearly all plain functions that return None at once; so the chain is a loop over tuples
that were made ready when it was built, and it awaits only what is awaitable.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import _InvalidOutput
from raycrawl.http import Request, Response
from raycrawl.middleware import Hook, MiddlewareManager, component_list

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

DownloadFunc = Callable[[Request], Awaitable["Response | Request"]]


class DownloaderMiddlewareManager(MiddlewareManager):
    """Runs ``process_request``, the download, ``process_exception`` and ``process_response``.

    ``process_request`` hooks run in the order of the middlewares, the others in reverse. What each may return is what
    Scrapy's documentation says; anything else raises ``_InvalidOutput``, which no ``process_exception`` hook sees.

    A middleware's ``take_back(request)``, if it has one, removes the credentials that it has added to a request which
    is about to be scheduled (a retry, a redirect), so that they do not reach the job directory.
    """

    component_name = "downloader middleware"

    def __init__(self, *middlewares: Any, crawler: Crawler | None = None) -> None:
        self._request_hooks: tuple[Hook, ...] = ()
        self._response_hooks: tuple[Hook, ...] = ()
        self._exception_hooks: tuple[Hook, ...] = ()
        self._take_backs: tuple[Callable[[Request], None], ...] = ()
        super().__init__(*middlewares, crawler=crawler)

    @classmethod
    def _get_mwlist_from_settings(cls, settings: Settings) -> list[Any]:
        return component_list(settings, "DOWNLOADER_MIDDLEWARES")

    def _add_middleware(self, mw: Any) -> None:
        super()._add_middleware(mw)
        self._add_hook("process_request", mw, 1)
        self._add_hook("process_response", mw, 2, first=True)
        self._add_hook("process_exception", mw, 2, first=True)
        self._request_hooks = tuple(self.methods["process_request"])
        self._response_hooks = tuple(self.methods["process_response"])
        self._exception_hooks = tuple(self.methods["process_exception"])
        take_back = getattr(mw, "take_back", None)
        if callable(take_back):
            self._take_backs = (*self._take_backs, take_back)

    async def download_async(self, download_func: DownloadFunc, request: Request) -> Response | Request:
        """Download ``request`` through the middlewares.

        Args:
            download_func: called with the request when no ``process_request`` hook gave a response.

        Returns:
            The response, or a request that a middleware wants instead of it (to be scheduled).

        Raises:
            What the download or a hook raised and no ``process_exception`` hook handled.
        """
        result: Response | Request | None = None
        try:
            for hook in self._request_hooks:
                result = hook.call(request)
                if result is not None:
                    result = await _settled(hook, result, "process_request", allow_none=True)
                    if result is not None:
                        break
            if result is None:
                result = await download_func(request)
        except _InvalidOutput:
            raise
        except Exception as error:
            result = await self._process_exception(request, error)
        if not isinstance(result, Request):
            result = await self._process_response(request, result)
        if isinstance(result, Request):
            # It goes to the frontier, which is on disk: what the middlewares added, they will add again.
            for take_back in self._take_backs:
                take_back(result)
        return result

    def download(self, download_func: DownloadFunc, request: Request, spider: Spider | None = None) -> Any:
        """``download_async`` under its older name: to be awaited."""
        return self.download_async(download_func, request)

    async def _process_response(self, request: Request, response: Any) -> Response | Request:
        if not isinstance(response, Response):
            raise TypeError(f"a download has to give a Response or Request, got {type(response).__name__}")
        for hook in self._response_hooks:
            result = hook.call(request, response)
            if result is response:
                continue
            result = await _settled(hook, result, "process_response", allow_none=False)
            if isinstance(result, Request):
                return result
            response = result
        checked: Response = response
        return checked

    async def _process_exception(self, request: Request, error: Exception) -> Response | Request:
        for hook in self._exception_hooks:
            result = hook.call(request, error)
            if result is None:
                continue
            result = await _settled(hook, result, "process_exception", allow_none=True)
            if result is not None:
                return result  # type: ignore[no-any-return]
        raise error


async def _settled(hook: Hook, result: Any, name: str, *, allow_none: bool) -> Any:
    """What a hook gave in the end, checked."""
    if hook.is_async or (not isinstance(result, (Response, Request)) and inspect.isawaitable(result)):
        result = await result
    if isinstance(result, (Response, Request)) or (allow_none and result is None):
        return result
    allowed = "None, Response or Request" if allow_none else "Response or Request"
    owner = type(hook.owner)
    raise _InvalidOutput(
        f"Middleware {owner.__module__}.{owner.__qualname__}.{name} must return {allowed}, got {type(result).__name__}"
    )
