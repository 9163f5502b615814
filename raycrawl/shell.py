"""``Shell``: an interactive look at a page, and ``inspect_response``, which opens one from within a callback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import raycrawl
from raycrawl.http import Request, Response
from raycrawl.item import Item
from raycrawl.selector import Selector
from raycrawl.settings import BaseSettings
from raycrawl.spiders import Spider
from raycrawl.utils.response import open_in_browser
from raycrawl.utils.url import add_http_if_no_scheme, guess_scheme

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler

_SHELL_VARIABLE = "SCRAPY_PYTHON_SHELL"  # "ipython" or "python"; by default IPython where it is installed


class Shell:
    """A Python console with a page's request, response and what belongs to them at hand.

    Args:
        crawler: whose settings, spider and engine are used.
        update_vars: is given the variables whenever they change, to add to them.
        code: evaluated and printed in place of a console.
        loop: the event loop that the crawler's engine works on; without one ``fetch`` is not available.

    Attributes:
        vars: what the console sees: scrapy, crawler, item, settings, spider, request, response, fetch, view, shelp.
    """

    relevant_classes: tuple[type, ...] = (Spider, Request, Response, Selector, BaseSettings, Item)

    def __init__(
        self,
        crawler: Crawler,
        update_vars: Callable[[dict[str, Any]], None] | None = None,
        code: str | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.crawler = crawler
        self.update_vars = update_vars or (lambda variables: None)
        self.item_class: type = _item_class(crawler)
        self.spider: Spider | None = crawler.spider
        self.loop = loop
        self.code = code
        self.vars: dict[str, Any] = {}

    @property
    def inthread(self) -> bool:
        """Whether the console runs beside the loop, not in place of it."""
        return self.loop is not None and self.loop.is_running()

    @property
    def fetch_available(self) -> bool:
        """Whether ``fetch`` can be called: there is a loop, and it is not this thread that runs it."""
        if self.loop is None:
            return False
        try:
            return asyncio.get_running_loop() is not self.loop
        except RuntimeError:
            return True

    def start(
        self,
        url: str | None = None,
        request: Request | None = None,
        response: Response | None = None,
        spider: Spider | None = None,
        redirect: bool = True,
    ) -> None:
        """Open the console (or evaluate ``code``) for a URL or request, which is fetched, or for a response."""
        with _default_interrupts():
            if url:
                self.fetch(url, spider, redirect=redirect)
            elif request:
                self.fetch(request, spider)
            elif response:
                self.populate_vars(response, response.request, spider)
            else:
                self.populate_vars()
            if self.code:
                print(eval(self.code, globals(), self.vars))  # the user's own code, of the command line
                return
            _console(self.vars, banner=self.get_help())

    def fetch(
        self, request_or_url: Request | str, spider: Spider | None = None, redirect: bool = True, **kwargs: Any
    ) -> None:
        """Fetch a request or a URL, through the downloader middlewares, and update the variables.

        Args:
            redirect: False shows a redirect in place of following it.
            kwargs: further arguments for the ``Request`` of a URL.

        Raises:
            RuntimeError: there is no engine to fetch with.
        """
        if not self.fetch_available:
            raise RuntimeError("fetch() is not available here: the event loop is busy with the callback that was left")
        if isinstance(request_or_url, Request):
            request = request_or_url
        else:
            request = Request(_url_of(request_or_url), dont_filter=True, **kwargs)
            if redirect:
                request.meta["handle_httpstatus_list"] = [code for code in range(600) if not 300 <= code < 400]
            else:
                request.meta["dont_redirect"] = True
                request.meta["handle_httpstatus_all"] = True
        # What a person names may be on this machine or its network.
        request.meta.setdefault("is_start_request", True)
        response = self._download(request)
        self.populate_vars(response, request, spider)

    def _download(self, request: Request) -> Response:
        assert self.loop is not None
        coroutine = self.crawler.engine.download_async(request)
        if self.loop.is_running():
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
            response: Response = future.result()
        else:
            response = self.loop.run_until_complete(coroutine)
        return response

    def populate_vars(
        self, response: Response | None = None, request: Request | None = None, spider: Spider | None = None
    ) -> None:
        """Set the variables for a page."""
        self.vars["scrapy"] = self.vars["raycrawl"] = raycrawl
        self.vars["crawler"] = self.crawler
        self.vars["item"] = self.item_class()
        self.vars["settings"] = self.crawler.settings
        self.vars["spider"] = spider or self.spider
        self.vars["request"] = request
        self.vars["response"] = response
        self.vars["view"] = open_in_browser
        self.vars["shelp"] = self.print_help
        if self.fetch_available:
            self.vars["fetch"] = self.fetch
        self.update_vars(self.vars)

    def print_help(self) -> None:
        """Print what there is."""
        print(self.get_help())

    def get_help(self) -> str:
        """The variables and shortcuts, as text."""
        lines = ["Available objects:", "  scrapy     the raycrawl module (scrapy.Request, scrapy.Selector, ...)"]
        lines += [
            f"  {name:<10} {_shown(value)}" for name, value in sorted(self.vars.items()) if self._is_relevant(value)
        ]
        lines.append("Useful shortcuts:")
        if self.fetch_available:
            lines.append("  fetch(url[, redirect=True]) Fetch URL and update local objects (redirects are followed)")
            lines.append("  fetch(req)                  Fetch a Request and update local objects")
        lines.append("  shelp()           Shell help (print this help)")
        lines.append("  view(response)    View response in a browser")
        return "\n".join(f"[s] {line}" for line in lines) + "\n"

    def _is_relevant(self, value: Any) -> bool:
        from raycrawl.crawler import Crawler

        return isinstance(value, (*self.relevant_classes, self.item_class, Crawler))


def _shown(value: Any) -> str:
    """``value`` in the help; of settings only that they are, since passwords are among them."""
    return f"<{type(value).__name__}: {len(value)} settings>" if isinstance(value, BaseSettings) else str(value)


def _item_class(crawler: Crawler) -> type:
    from raycrawl.utils.misc import load_object

    item_class: type = load_object(crawler.settings["DEFAULT_ITEM_CLASS"])
    return item_class


def _url_of(text: str) -> str:
    """What a person types: a URL, a host name, or a path that starts with ``/``, ``./`` or ``../``."""
    return guess_scheme(text) if text.startswith(("/", "./", "../")) else add_http_if_no_scheme(text)


@contextmanager
def _default_interrupts() -> Iterator[None]:
    """Ctrl-C interrupts what is typed, it does not end the crawl."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _console(variables: dict[str, Any], banner: str) -> None:
    if os.environ.get(_SHELL_VARIABLE, "ipython") != "python":
        try:
            from IPython import start_ipython  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            pass  # the plain console serves, too
        else:
            print(banner)
            start_ipython(argv=[], user_ns=variables)
            return
    import code

    code.interact(banner=banner, local=variables)


def inspect_response(response: Response, spider: Spider) -> None:
    """Open a console on ``response`` from within a callback; the callback goes on when the console is left.

    Raises:
        RuntimeError: the process has no terminal, as the processes of a crawl on a cluster: ``raycrawl parse`` and
            ``raycrawl shell`` run callbacks in the foreground.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise RuntimeError(
            f"inspect_response({response}) needs a terminal, and this process has none: "
            f"run 'raycrawl parse --spider={spider.name} {response.url}' or 'raycrawl shell {response.url}'"
        )
    Shell(spider.crawler).start(response=response, spider=spider)


__all__ = ["Shell", "inspect_response"]
