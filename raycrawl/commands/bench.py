"""``raycrawl bench``: how many pages a second this machine crawls, from a site on itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Crawl an endless linked site on loopback for ten seconds and print the rate. For comparisons see tests/bench."""

    default_settings = {"LOG_LEVEL": "WARNING", "CLOSESPIDER_TIMEOUT": 10, "CONCURRENT_REQUESTS_PER_DOMAIN": 64}

    def syntax(self) -> str:
        return "[-s CLOSESPIDER_TIMEOUT=SECONDS]"

    def short_desc(self) -> str:
        return "measure this machine's crawling speed"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.crawl import crawl
        from raycrawl.demo.endless import FollowSpider, linked_page
        from raycrawl.foreground import run_in_foreground
        from raycrawl.progress import print_line
        from raycrawl.testing.server import SiteServer
        from raycrawl.utils.log import configure_logging

        configure_logging(self.settings)
        with SiteServer(linked_page) as server:
            self.exitcode, handle = run_in_foreground(
                lambda: crawl(FollowSpider, settings=self.settings, wait=False, start_urls=[server.urljoin("/0")]),
                interval_s=2.0,
                emit=print_line,
            )
        status = handle.status()
        rate = status.pages / status.elapsed_s if status.elapsed_s else 0.0
        print(f"{status.pages} pages in {status.elapsed_s:.1f} s: {rate:.0f} pages/s, {rate * 60:.0f} pages/min")
