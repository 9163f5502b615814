"""``raycrawl runspider FILE``: a crawl with the spider of one Python file, no project needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raycrawl.commands import BaseRunSpiderCommand, one_argument
from raycrawl.commands.crawl import run_crawl

if TYPE_CHECKING:
    import argparse


class Command(BaseRunSpiderCommand):
    """Run the spider of a file."""

    def syntax(self) -> str:
        return "FILE [-o URI[:FORMAT]]... [-a NAME=VALUE]... [-s NAME=VALUE]... [options]"

    def short_desc(self) -> str:
        return "run the spider of a Python file"

    def long_desc(self) -> str:
        return "Run the spider that the Python file defines, on this machine or, with --address, on a Ray cluster."

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--spider", metavar="NAME", help="which spider, when the file has several")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.spiderfile import spider_from_file

        spidercls = spider_from_file(one_argument(args, "a Python file with a spider"), opts.spider)
        self.exitcode = run_crawl(spidercls, self.settings, opts.spargs, opts.address)
