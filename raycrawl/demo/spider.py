"""The demo's spider: an ordinary one, as a user would write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import raycrawl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raycrawl.http import TextResponse


class ShopSpider(raycrawl.Spider):
    """Follows every category, page and product of the shop and gives one item per product."""

    name = "shop"

    def __init__(self, url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [url]

    def parse(self, response: Any, **kwargs: Any) -> Iterator[Any]:
        """Home and category pages: follow everything."""
        yield from response.follow_all(css="nav a, a.next, a.guide")
        yield from response.follow_all(css="li.product a", callback=self.parse_product)

    def parse_product(self, response: TextResponse) -> Iterator[Any]:
        """A product page: one item, and the products beside it."""
        price = response.css("p.price::text").re_first(r"[\d.]+")
        stock = response.css("p.stock::text").re_first(r"\d+")
        yield {
            "name": response.css("h1::text").get(),
            "category": response.css("a.category::text").get(),
            "price": float(price or 0),
            "stock": int(stock or 0),
            "rating": int(response.css("p.rating").attrib["data-stars"]),
        }
        yield from response.follow_all(css="a.also", callback=self.parse_product)
