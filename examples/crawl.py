"""One file for ``ray submit``, which copies it to the head and runs it there: nothing beside it travels.

    ray submit cluster.yaml examples/crawl.py [START_URL [FEED]]

On the cluster it joins the running Ray; on a laptop, ``python examples/crawl.py``, it starts one of its own.
"""

import sys

import raycrawl


class LinksSpider(raycrawl.Spider):
    """Every page of one site: its address and title."""

    name = "links"

    def parse(self, response):
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a[href]")


def main(start_url="https://quotes.toscrape.com/", feed="links.jsonl"):
    crawl = raycrawl.crawl(
        LinksSpider,
        feeds={feed: {"format": "jsonlines", "overwrite": True}},
        start_urls=[start_url],
        allowed_domains=[start_url.split("/")[2].rpartition("@")[2].partition(":")[0]],
    )
    stats = crawl.stats()
    print(f"{stats.get('response_received_count', 0)} pages, {stats.get('item_scraped_count', 0)} items in {feed}")
    return crawl.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
