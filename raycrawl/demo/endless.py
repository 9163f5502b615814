"""An endless linked site and the spider that follows it: what ``raycrawl bench`` crawls."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import raycrawl
from raycrawl.testing.server import SiteRequest, SiteResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

LINKS = 20
PAGES = 10**6


class FollowSpider(raycrawl.Spider):
    """Follows every link."""

    name = "follow"

    def parse(self, response: Any, **kwargs: Any) -> Iterator[Any]:
        """Every link of the page."""
        yield from response.follow_all(css="a")


def linked_page(request: SiteRequest) -> SiteResponse:
    """A page with links to others, the same for the same path."""
    if request.path == "/robots.txt":
        return SiteResponse(status=404)
    rng = random.Random(request.path)
    links = "".join(f'<li><a href="/{rng.randrange(PAGES)}">a page</a></li>' for _ in range(LINKS))
    return SiteResponse(body=f"<html><title>{request.path}</title><ul>{links}</ul></html>".encode())
