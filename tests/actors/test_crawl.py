"""A crawl without faults through the real actors, in one process, with the heartbeat off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raycrawl import Spider
from tests.actors.local import ROOT, Run, linked


class Everything(Spider):
    """Follows every link, one item a page."""

    name = "everything"
    start_urls = [f"{ROOT}p/0"]

    def parse(self, response: Any) -> Any:
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a", callback=self.parse)


async def test_whole_site_is_crawled_and_each_page_fetched_once(tmp_path: Path) -> None:
    run = await Run(Everything, linked(60), tmp_path).finish()
    run.assert_whole(60)
    assert set(run.site.hits.values()) == {1}
    assert run.stats["item_scraped_count"] == run.stats["response_received_count"] == 60
    assert run.stats["frontier/done"] == run.stats["frontier/enqueued"]
