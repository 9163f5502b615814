"""A crawl on a cluster of three nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycrawl.testing import SiteServer
from tests.cluster.conftest import SPIDER, Scripts, hits_of, lines_of

pytestmark = pytest.mark.cluster


def test_three_nodes(scripts: Scripts, site: SiteServer, tmp_path: Path) -> None:
    site.hits.clear()
    text = SPIDER.format(url=site.url) + (
        """
import warnings

if __name__ == "__main__":
    from ray.cluster_utils import Cluster
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    try:
        settings = {**QUIET, "DOWNLOADER_ACTORS": 2, "SCRAPER_ACTORS": 3, "SCHEDULER_SHARDS": 2}
        crawl = scrapy.crawl(Pages, settings=settings, feeds={"items.jsonl": {}}, address=cluster.address)
        print("STATS", crawl.stats()["item_scraped_count"], crawl.exit_code)
        import ray
        print("STILL", ray.is_initialized(), len(ray.nodes()))
    finally:
        ray.shutdown()
        cluster.shutdown()
"""
    )
    outcome = scripts.run(text, tmp_path, 100)
    assert outcome.code == 0, outcome.err
    assert "STATS 80 0" in outcome.out
    assert "STILL True 3" in outcome.out
    assert len(lines_of(tmp_path / "items.jsonl")) == 80
    assert set(hits_of(site).values()) == {1}
    assert outcome.survivors == []
