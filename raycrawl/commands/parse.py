"""``raycrawl parse URL``: what a spider's callback makes of one page, and of the pages that it leads to."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from typing import TYPE_CHECKING, Any

from raycrawl.commands import ScrapyCommand, add_spider_arguments, one_argument, pairs
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from raycrawl.http import Request, Response
    from raycrawl.localcrawl import LocalCrawl
    from raycrawl.spiders import Spider


class Command(ScrapyCommand):
    """Fetch a URL, run a callback on it, print its items and requests; with ``-d`` follow these too."""

    requires_project = True

    def syntax(self) -> str:
        return "[options] <url>"

    def short_desc(self) -> str:
        return "run a spider's callback on a URL and print what it gives"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_spider_arguments(parser)
        add = parser.add_argument
        add("--spider", metavar="SPIDER", help="use this spider, without looking for one")
        add("--pipelines", action="store_true", help="send the items through the item pipelines")
        add("--nolinks", action="store_true", help="do not print requests")
        add("--noitems", action="store_true", help="do not print items")
        add("--nocolour", action="store_true", help="no colours")
        add("-r", "--rules", action="store_true", help="find the callback by the rules of a CrawlSpider")
        add("-c", "--callback", metavar="NAME", help="use this callback instead of parse")
        add("-m", "--meta", metavar="JSON", help="meta of the first request")
        add("--cbkwargs", metavar="JSON", help="cb_kwargs of the first request")
        add("-d", "--depth", type=int, default=1, metavar="N", help="how many levels of requests to follow (default 1)")
        add("-v", "--verbose", action="store_true", help="print each level")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.commands.fetch import spider_for
        from raycrawl.http import Request
        from raycrawl.utils.log import configure_logging
        from raycrawl.utils.spider import DefaultSpider

        try:
            request = Request(one_argument(args, "a URL"), dont_filter=True)
        except ValueError as error:
            raise UsageError(str(error)) from error
        request = request.replace(meta=_json(opts.meta, "--meta"), cb_kwargs=_json(opts.cbkwargs, "--cbkwargs"))
        spidercls = spider_for(request, self.settings, opts.spider)
        if spidercls is DefaultSpider:
            raise UsageError(f"no spider, or more than one, handles {request.url}: name one with --spider")
        configure_logging(self.settings)
        self.exitcode = asyncio.run(self._parse(request, spidercls, opts))

    async def _parse(self, request: Request, spidercls: type[Spider], opts: argparse.Namespace) -> int:
        from raycrawl.localcrawl import LocalCrawl

        async with LocalCrawl(spidercls, self.settings, pairs(opts.spargs, "-a")) as local:
            walk = _Walk(local, opts)
            try:
                await walk.visit(request, 1)
            except UsageError:
                raise
            except Exception as error:
                print(f"{request.url}: {type(error).__name__}: {error}", file=sys.stderr)
                return 1
            if opts.pipelines:
                await walk.run_pipelines()
            walk.print()
        return 0


class _Walk:
    """What the levels gave: items and requests by level, from 1."""

    def __init__(self, local: LocalCrawl, opts: argparse.Namespace) -> None:
        self._local = local
        self._opts = opts
        self._items: dict[int, list[Any]] = {}
        self._requests: dict[int, list[Request]] = {}

    async def visit(self, request: Request, level: int) -> None:
        """Scrape the request, and what it leads to as far as ``--depth`` says."""
        from raycrawl.http import Request as RequestClass

        if level == 1 or self._opts.rules:
            request = request.replace(callback=functools.partial(self._call, chosen=request.callback, level=level))
        items, requests = self._items.setdefault(level, []), self._requests.setdefault(level, [])
        for entry in await self._local.scrape(request):
            if not isinstance(entry, RequestClass):
                items.append(entry)
                continue
            requests.append(entry)
            if level < self._opts.depth:
                await self.visit(entry, level + 1)

    def _call(self, response: Response, /, *, chosen: Any, level: int, **cb_kwargs: Any) -> Any:
        return self._callback(response, chosen, level)(response, **cb_kwargs)

    def _callback(self, response: Response, chosen: Any, level: int) -> Callable[..., Any]:
        """The callback: --callback (first level), else by the rules, else the request's own, else parse."""
        name = self._opts.callback if level == 1 else None
        if name is None and self._opts.rules:
            name = self._by_rules(response)
        if name is None and chosen is not None:
            own: Callable[..., Any] = chosen
            return own
        spider = self._local.spider
        callback = name if callable(name) else getattr(spider, name or "parse", None)
        if not callable(callback):
            raise UsageError(f"spider {spider.name!r} has no callback {name or 'parse'!r}")
        found: Callable[..., Any] = callback
        return found

    def _by_rules(self, response: Response) -> Any:
        rules = getattr(self._local.spider, "rules", None)
        if not rules:
            raise UsageError(f"spider {self._local.spider.name!r} has no rules: -r is for a CrawlSpider")
        for rule in rules:
            if rule.link_extractor.matches(response.url):
                return rule.callback or "parse"
        return "parse"

    async def run_pipelines(self) -> None:
        """Put every item through the item pipelines; a dropped one is left out."""
        from raycrawl.exceptions import DropItem
        from raycrawl.pipelines import ItemPipelineManager

        pipelines = ItemPipelineManager.from_crawler(self._local.crawler)
        await pipelines.open_spider_async()
        for level, items in self._items.items():
            kept = []
            for item in items:
                try:
                    kept.append(await pipelines.process_item_async(item))
                except DropItem as dropped:
                    print(f"dropped: {dropped}", file=sys.stderr)
            self._items[level] = kept
        await pipelines.close_spider_async()

    def print(self) -> None:
        """All levels with --verbose, else the items of all and the requests of the last."""
        levels = sorted(self._items)
        if self._opts.verbose:
            for level in levels:
                print(f"\n>>> DEPTH LEVEL: {level} <<<")
                self._print(self._items[level], self._requests[level])
        elif levels:
            print(f"\n>>> STATUS DEPTH LEVEL {levels[-1]} <<<")
            self._print([item for level in levels for item in self._items[level]], self._requests[levels[-1]])

    def _print(self, items: list[Any], requests: list[Request]) -> None:
        from itemadapter import ItemAdapter

        if not self._opts.noitems:
            print("# Scraped Items  " + "-" * 60)
            self._print_values([ItemAdapter(item).asdict() for item in items])
        if not self._opts.nolinks:
            print("# Requests  " + "-" * 65)
            self._print_values(requests)

    def _print_values(self, values: list[Any]) -> None:
        from rich.console import Console
        from rich.pretty import Pretty

        console = Console(no_color=self._opts.nocolour, width=None if sys.stdout.isatty() else 100)
        console.print(Pretty(values))


def _json(text: str | None, option: str) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} takes a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{option} takes a JSON object, not {text!r}")
    return value
