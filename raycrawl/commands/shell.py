"""``raycrawl shell [URL|FILE]``: a Python console with a page, its request and its spider at hand."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from raycrawl.commands import ScrapyCommand, one_argument
from raycrawl.commands.fetch import add_page_options, request_of, spider_for

if TYPE_CHECKING:
    import argparse

    from raycrawl.http import Request
    from raycrawl.localcrawl import LocalCrawl


class Command(ScrapyCommand):
    """Look at a page interactively, without a crawl. ``update_vars`` of a subclass adds variables."""

    default_settings = {"LOG_LEVEL": "INFO", "LOGSTATS_INTERVAL": 0}

    def syntax(self) -> str:
        return "[url|file]"

    def short_desc(self) -> str:
        return "open a Python console on a page"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_page_options(parser)
        parser.add_argument("-c", dest="code", metavar="CODE", help="evaluate CODE, print the result and exit")

    def update_vars(self, variables: dict[str, Any]) -> None:
        """Called with the console's variables whenever they change."""

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.localcrawl import LocalCrawl
        from raycrawl.utils.log import configure_logging

        request = request_of(one_argument(args, "a URL or a file"), opts) if args else None
        spidercls = spider_for(request, self.settings, opts.spider)
        configure_logging(self.settings)
        with asyncio.Runner() as runner:
            local = LocalCrawl(spidercls, self.settings)
            runner.run(local.__aenter__())
            try:
                self._open(runner, local, request, opts.code)
            finally:
                runner.run(local.__aexit__(None, None, None))

    def _open(self, runner: asyncio.Runner, local: LocalCrawl, request: Request | None, code: str | None) -> None:
        from raycrawl.shell import Shell

        response = None
        if request is not None:
            try:
                response = runner.run(local.fetch(request))
            except Exception as error:
                print(f"{request.url}: {type(error).__name__}: {error}", file=sys.stderr)
                self.exitcode = 1
                if code is not None:
                    return
        shell = Shell(local.crawler, update_vars=self.update_vars, code=code, loop=runner.get_loop())
        shell.start(response=response, spider=local.spider)
