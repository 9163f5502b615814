"""``raycrawl crawl SPIDER``: a crawl with a spider of the project."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from raycrawl.commands import BaseRunSpiderCommand, one_argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

logger = logging.getLogger(__name__)


class Command(BaseRunSpiderCommand):
    """Run a spider of the project."""

    requires_project = True

    def syntax(self) -> str:
        return "<spider> [-o URI[:FORMAT]]... [-a NAME=VALUE]... [-s NAME=VALUE]... [options]"

    def short_desc(self) -> str:
        return "run a spider of the project"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.spiderfile import project_spider

        spidercls = project_spider(self.settings, one_argument(args, "a spider's name"))
        self.exitcode = run_crawl(spidercls, self.settings, opts.spargs, opts.address)


def run_crawl(
    spidercls: type[Spider], settings: Settings, spider_arguments: Mapping[str, Any], address: str | None = None
) -> int:
    """Check the crawl, run it in the foreground, and return the exit code.

    Raises:
        UsageError: for bad input, before Ray is started.
    """
    from raycrawl.foreground import run_in_foreground
    from raycrawl.preflight import check_crawl
    from raycrawl.utils.log import configure_logging

    settings.set("ITEMS_SPOOL", False, "default")  # nobody can ask this process for the items: they go to the feeds
    final = _spider_settings(spidercls, settings)
    check_crawl(spidercls, final, address)
    configure_logging(final)
    from raycrawl.launch import start

    code, _ = run_in_foreground(
        lambda: start(spidercls, ((), spider_arguments), settings=settings, address=address),
        interval_s=final.getfloat("LOGSTATS_INTERVAL"),
    )
    return code


def _spider_settings(spidercls: type[Spider], settings: Settings) -> Settings:
    """The settings as the crawl will have them: a copy, the spider's own applied."""
    copy = settings.copy()
    spidercls.update_settings(copy)
    return copy
