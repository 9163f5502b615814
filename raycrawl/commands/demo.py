"""``raycrawl demo``: crawl a small shop that comes with raycrawl, and show what was found."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raycrawl.commands import ScrapyCommand

if TYPE_CHECKING:
    import argparse

    from raycrawl.foreground import ForegroundCrawl

# a line now and then where there is no terminal: the demo is over in seconds
_LINE_INTERVAL_S = 2.0


class Command(ScrapyCommand):
    """Serve the demo's shop on loopback, crawl it on a local Ray, print a table of its products."""

    default_settings = {"LOG_LEVEL": "WARNING"}

    def short_desc(self) -> str:
        return "crawl a small shop that comes with raycrawl"

    def long_desc(self) -> str:
        return "Crawl a small web shop that comes with raycrawl and is served on this machine, and show what was found."

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.demo.shop import Shop
        from raycrawl.testing.server import SiteServer
        from raycrawl.utils.log import configure_logging

        configure_logging(self.settings)
        shop = Shop()
        with SiteServer(shop) as server, tempfile.TemporaryDirectory(prefix="raycrawl-demo-") as directory:
            feed = Path(directory) / "products.jsonl"
            print(
                f"A shop of {len(shop.pages)} pages is served at {server.url}; starting Ray to crawl it.",
                file=sys.stderr,
            )
            self.exitcode, crawl = _crawl(server.url, feed, self.settings.copy_to_dict())
            items = (
                [json.loads(line) for line in feed.read_text(encoding="utf-8").splitlines()] if feed.exists() else []
            )
            if items:
                _print_table(items, crawl)
        if self.exitcode == 0 and len(items) != len(shop.catalogue):
            print(f"demo: {len(items)} products found, {len(shop.catalogue)} are on sale", file=sys.stderr)
            self.exitcode = 1


def _crawl(url: str, feed: Path, settings: dict[str, Any]) -> tuple[int, ForegroundCrawl]:
    from raycrawl.crawl import crawl
    from raycrawl.demo.spider import ShopSpider
    from raycrawl.foreground import run_in_foreground
    from raycrawl.progress import print_line

    settings["CONCURRENT_REQUESTS_PER_DOMAIN"] = 16
    return run_in_foreground(
        lambda: crawl(
            ShopSpider,
            settings=settings,
            feeds={str(feed): {"format": "jsonlines", "overwrite": True}},
            wait=False,
            url=url,
        ),
        interval_s=_LINE_INTERVAL_S,
        emit=print_line,
    )


def _print_table(items: list[dict[str, Any]], crawl: ForegroundCrawl) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What the crawl found")
    for heading in ("category", "products", "in stock", "mean price", "cheapest", "best rated"):
        table.add_column(heading, justify="left" if heading in {"category", "cheapest", "best rated"} else "right")
    for category in sorted({item["category"] for item in items}):
        table.add_row(*_row(category, [item for item in items if item["category"] == category]))
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    status = crawl.status()
    console.print(
        f"{status.pages} pages and {status.items} items in {status.elapsed_s:.1f} s ({status.finish_reason})."
    )


def _row(category: str, members: list[dict[str, Any]]) -> list[str]:
    cheapest = min(members, key=lambda item: (item["price"], item["name"]))
    best = max(members, key=lambda item: (item["rating"], -item["price"]))
    mean = sum(item["price"] for item in members) / len(members)
    return [
        category, str(len(members)), str(sum(item["stock"] > 0 for item in members)), f"{mean:.2f}",
        f"{cheapest['name']} ({cheapest['price']:.2f})", f"{best['name']} ({'*' * best['rating']})",
    ]  # fmt: skip
