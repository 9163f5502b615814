"""From a spider class to a running crawl: settings, checks, code that travels, Ray, the work directory."""

from __future__ import annotations

import atexit
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from raycrawl.actors.process import Boot
    from raycrawl.crawl import Crawl
    from raycrawl.frontier.jobdir import JobDir
    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider


def start(
    spidercls: type[Spider],
    spider_args: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {}),
    *,
    settings: Mapping[str, Any] | Settings | None = None,
    feeds: Mapping[str, Any] | None = None,
    jobdir: str | os.PathLike[str] | None = None,
    name: str | None = None,
    address: str | None = None,
) -> Crawl:
    """``crawl(..., wait=False)`` for a spider whose arguments may have any names, also those of ``crawl``'s own."""
    from raycrawl.crawler import Crawler
    from raycrawl.preflight import check_crawl

    crawler = Crawler(spidercls, dict(settings) if _is_plain(settings) else settings)  # type: ignore[arg-type]
    if feeds is not None:
        crawler.settings.set("FEEDS", {str(uri): dict(options or {}) for uri, options in feeds.items()}, "cmdline")
    if jobdir is not None:
        crawler.settings.set("JOBDIR", os.fspath(jobdir), "cmdline")
    if crawler.settings.get("JOBDIR"):  # absolute: the actors' working directory is another
        crawler.settings.set("JOBDIR", os.path.abspath(crawler.settings["JOBDIR"]), "cmdline")
    crawler.prepare()
    check_crawl(spidercls, crawler.settings, address)
    return launch(crawler, name, address, spider_args)


def _is_plain(settings: Any) -> bool:
    from raycrawl.settings import BaseSettings

    return settings is not None and not isinstance(settings, BaseSettings)


def launch(crawler: Any, name: str | None, address: str | None, spider_args: Any) -> Crawl:
    """Starts the crawl of a prepared crawler.

    What can be refused is refused before Ray is started. Raises: UsageError.
    """
    from raycrawl.actors import cluster
    from raycrawl.crawl import Crawl
    from raycrawl.shipping import ship
    from raycrawl.utils.log import log_crawler_info

    settings, spidercls = crawler.settings, crawler.spidercls
    spider = ship(spidercls, f"the spider {spidercls.__name__}")
    shipped_settings = ship(settings, "the settings")
    try:
        pickle.dumps(spider_args)
    except Exception as error:
        raise UsageError(f"the spider's arguments cannot be sent to other processes: {error}") from error
    title = str(getattr(spidercls, "name", None) or spidercls.__name__)
    job = _open_job(settings, title)
    try:
        is_own = cluster.ensure_ray(address or settings.get("RAY_ADDRESS"))
        counts = cluster.actor_counts(settings, cluster.cluster_cpus())
        workdir = str(job.path) if job is not None else _temporary_workdir()
        boot = _boot(settings, (spider, shipped_settings), spider_args, name or title, workdir, job is not None, counts)
        log_crawler_info(crawler)
        return Crawl(boot, job=job, options=cluster.actor_options(settings, is_own=is_own))
    except BaseException:
        if job is not None:
            job.close()
        raise


def _boot(
    settings: Any,
    shipped: tuple[bytes, bytes],
    spider_args: Any,
    name: str,
    workdir: str,
    is_durable: bool,
    counts: tuple[int, int],
) -> Boot:
    from raycrawl.actors.process import Boot
    from raycrawl.pipelines import ItemPipelineManager

    return Boot(
        name=name,
        spider=shipped[0],
        settings=shipped[1],
        spider_args=spider_args,
        feeds=_absolute(settings.getdict("FEEDS")),
        workdir=workdir,
        durable=is_durable,
        paths=tuple(path or os.getcwd() for path in sys.path),
        cwd=os.getcwd(),
        shards=settings.getint("SCHEDULER_SHARDS", 1),
        downloaders=counts[0],
        scrapers=counts[1],
        batch_pages=settings.getint("BATCH_PAGES", 32),
        batch_nbytes=settings.getint("BATCH_BYTES", 1_000_000),
        batch_delay_s=settings.getfloat("BATCH_DELAY", 0.02),
        concurrency=settings.getint("CONCURRENT_REQUESTS"),
        spool=settings.getbool("ITEMS_SPOOL", True),
        has_single_pipelines=bool(ItemPipelineManager.split(settings)[1]),
    )


def _open_job(settings: Any, spider: str) -> JobDir | None:
    """The job directory, held by this process; None when there is none. Raises: UsageError when it cannot be used."""
    from raycrawl.frontier.jobdir import JobDir, JobDirError

    if not settings.get("JOBDIR"):
        return None
    matter = {name: str(settings.get(name)) for name in ("DUPEFILTER_CLASS", "REQUEST_FINGERPRINTER_CLASS")}
    try:
        shards = settings.getint("SCHEDULER_SHARDS")
        return JobDir.open(settings["JOBDIR"], spider=spider, shards=shards, settings=matter)
    except JobDirError as error:
        raise UsageError(str(error)) from error


def _temporary_workdir() -> str:
    """A directory that goes with this process."""
    temporary = tempfile.mkdtemp(prefix="raycrawl-")
    atexit.register(remove_workdir, temporary)
    return temporary


def remove_workdir(path: str) -> None:
    """Removes a temporary work directory."""
    shutil.rmtree(path, ignore_errors=True)


def _absolute(feeds: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Feeds with their local paths made absolute: the actors' working directory is another."""
    result: dict[str, dict[str, Any]] = {}
    for uri, options in feeds.items():
        text = str(uri)
        is_local = "://" not in text and not text.startswith(("stdout:", "file:")) and text != "-"
        result[os.path.join(os.getcwd(), text) if is_local else text] = dict(options)
    return result
