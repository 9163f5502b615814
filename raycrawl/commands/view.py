"""``raycrawl view URL``: one page as raycrawl gets it, in your browser."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand, one_argument
from raycrawl.commands.fetch import add_page_options, fetch, request_of, spider_for
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Download a URL and open what came in the browser: what a spider sees may differ from what you see."""

    default_settings = {"LOG_LEVEL": "INFO"}

    def syntax(self) -> str:
        return "[options] <url>"

    def short_desc(self) -> str:
        return "open a URL in the browser, as raycrawl sees it"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_page_options(parser)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.http import TextResponse
        from raycrawl.utils.response import open_in_browser

        request = request_of(one_argument(args, "a URL"), opts)
        response = asyncio.run(fetch(request, spider_for(request, self.settings, opts.spider), self.settings))
        if response is None:
            self.exitcode = 1
        elif isinstance(response, TextResponse):
            open_in_browser(response)
        else:
            raise UsageError(f"{response.url} is not text: a browser would not show it")
