"""``raycrawl fetch URL``: one page as raycrawl's downloader gets it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from raycrawl.commands import ScrapyCommand, one_argument
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse

    from raycrawl.http import Headers, Request, Response
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider


class Command(ScrapyCommand):
    """Download one URL, with the settings and middlewares of the spider that it belongs to, and print the body."""

    default_settings = {"LOG_LEVEL": "INFO"}

    def syntax(self) -> str:
        return "[options] <url>"

    def short_desc(self) -> str:
        return "download a URL and print it"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_page_options(parser)
        parser.add_argument("--headers", action="store_true", help="print the headers instead of the body")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        request = request_of(one_argument(args, "a URL"), opts)
        response = asyncio.run(fetch(request, spider_for(request, self.settings, opts.spider), self.settings))
        if response is None:
            self.exitcode = 1
        elif opts.headers:
            _print_headers(response)
        else:
            sys.stdout.buffer.write(response.body)
            sys.stdout.buffer.flush()


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """The options of the commands that look at one page."""
    parser.add_argument("--spider", metavar="SPIDER", help="use this spider of the project")
    parser.add_argument("--no-redirect", action="store_true", help="show a redirect, do not follow it")


def request_of(url: str, opts: argparse.Namespace) -> Request:
    """A request for what a person typed, answers of every status welcome. UsageError when it is no URL.

    What begins with ``/``, ``./`` or ``../`` is a file.
    """
    from raycrawl.http import Request
    from raycrawl.utils.url import add_http_if_no_scheme, guess_scheme

    full = guess_scheme(url) if url.startswith(("/", "./", "../")) else add_http_if_no_scheme(url)
    meta: dict[str, Any] = (
        {"handle_httpstatus_all": True, "dont_redirect": True}
        if opts.no_redirect
        else {"handle_httpstatus_list": [code for code in range(100, 600) if code // 100 != 3]}
    )
    try:
        return Request(full, meta=meta, dont_filter=True)
    except ValueError as error:
        raise UsageError(f"{url!r} is not a URL: {error}") from error


def spider_for(request: Request | None, settings: Settings, name: str | None) -> type[Spider]:
    """The spider of that name, or the only one of the project that handles the request, or a neutral one."""
    from raycrawl.spiderfile import project_spider, project_spiders
    from raycrawl.utils.spider import DefaultSpider, spidercls_for_request

    if name is not None:
        return project_spider(settings, name)
    if request is None:
        return DefaultSpider
    return spidercls_for_request(project_spiders(settings), request, DefaultSpider) or DefaultSpider


async def fetch(request: Request, spidercls: type[Spider], settings: Settings) -> Response | None:
    """The page; None, and one line on standard error, when the download failed."""
    from raycrawl.localcrawl import LocalCrawl
    from raycrawl.utils.log import configure_logging

    configure_logging(settings)
    async with LocalCrawl(spidercls, settings) as local:
        try:
            return await local.fetch(request)
        except Exception as error:
            print(f"{request.url}: {type(error).__name__}: {error}", file=sys.stderr)
            return None


def _print_headers(response: Response) -> None:
    if response.request is not None:
        _print_header_lines(response.request.headers, ">")
    print(">" if response.request is not None else "")
    print(f"< {response.status} {response.url}")
    _print_header_lines(response.headers, "<")


def _print_header_lines(headers: Headers, prefix: str) -> None:
    for name, values in headers.items():
        for value in values:
            print(f"{prefix} {name.decode('latin-1')}: {value.decode('latin-1')}")
