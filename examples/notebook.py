"""What one does in a notebook: a crawl beside other work on a running event loop, looked at and steered while it runs.

In a notebook the body of ``main`` goes into cells: ``await`` works there as it does here.
"""

import asyncio
import sys

import raycrawl


class TitlesSpider(raycrawl.Spider):
    name = "titles"

    def parse(self, response):
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a[href]")


async def main(start_url="https://quotes.toscrape.com/"):
    crawl = raycrawl.crawl(
        TitlesSpider, settings={"CLOSESPIDER_PAGECOUNT": 50, "LOG_LEVEL": "WARNING"}, wait=False, start_urls=[start_url]
    )
    watching = asyncio.create_task(watch(crawl))
    await crawl
    watching.cancel()
    print(crawl.stats()["finish_reason"])


async def watch(crawl):
    while True:
        status = crawl.status()
        print(f"{status.state}: {status.pages} pages, {status.items} items, {status.queued} queued")
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
