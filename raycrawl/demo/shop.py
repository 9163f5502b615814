"""The demo's web site: a shop of 120 products on 139 pages, made up in memory, the same every time.

Home page, one page per category and leaf through its products ten at a time, one page per product; a robots.txt that
forbids the basket. Prices, stock and ratings come from a seeded generator.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from html import escape

from raycrawl.testing.server import SiteRequest, SiteResponse

PER_PAGE = 10
PER_CATEGORY = 20
_ADJECTIVES = ("Quiet", "Red", "Folding", "Northern", "Patient", "Small", "Bright", "Second", "Woven", "Old")
_NOUNS = {
    "kites": ("Kite", "Parafoil"),
    "lamps": ("Lamp", "Lantern"),
    "clocks": ("Clock", "Hourglass"),
    "maps": ("Atlas", "Globe"),
    "kettles": ("Kettle", "Teapot"),
    "radios": ("Radio", "Receiver"),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on sale."""

    number: int
    category: str
    name: str
    price: float
    stock: int
    rating: int


def products() -> list[Product]:
    """The catalogue, in the order of its numbers."""
    rng = random.Random(7)
    catalogue: list[Product] = []
    for category, nouns in _NOUNS.items():
        for index in range(PER_CATEGORY):
            name = f"{_ADJECTIVES[index % len(_ADJECTIVES)]} {nouns[index // len(_ADJECTIVES)]}"
            price, stock, rating = round(rng.uniform(5, 120), 2), rng.randrange(0, 40), rng.randrange(1, 6)
            catalogue.append(Product(len(catalogue), category, name, price, stock, rating))
    return catalogue


class Shop:
    """The site, for a :class:`~raycrawl.testing.server.SiteServer`. ``pages`` has every page by path."""

    def __init__(self) -> None:
        self.catalogue = products()
        self.pages = {"/": _home()}
        for category in _NOUNS:
            self.pages.update(_listings(category, [one for one in self.catalogue if one.category == category]))
        for product in self.catalogue:
            self.pages[f"/product/{product.number}"] = _product_page(product, self.catalogue)

    def __call__(self, request: SiteRequest) -> SiteResponse:
        if request.path == "/robots.txt":
            return SiteResponse(body=b"User-agent: *\nDisallow: /basket\n", content_type="text/plain")
        page = self.pages.get(request.path)
        if page is None:
            return SiteResponse(body=b"<h1>No such page</h1>", status=404)
        return SiteResponse(body=page.encode())


def _html(title: str, body: str) -> str:
    menu = "".join(f'<a href="/category/{category}">{category}</a> ' for category in _NOUNS)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head><body>'
        f'<nav><a href="/">home</a> {menu}<a href="/basket">basket</a></nav>'
        f"<h1>{escape(title)}</h1>{body}</body></html>"
    )


def _home() -> str:
    return _html("The raycrawl shop", "<p>Six categories, twenty things in each.</p>")


def _listings(category: str, members: list[Product]) -> dict[str, str]:
    pages = {}
    count = len(members) // PER_PAGE
    for number in range(1, count + 1):
        shown = members[(number - 1) * PER_PAGE : number * PER_PAGE]
        items = "".join(f'<li class="product"><a href="/product/{one.number}">{one.name}</a></li>' for one in shown)
        following = f'<a class="next" href="/category/{category}/{number + 1}">more</a>' if number < count else ""
        path = f"/category/{category}" + (f"/{number}" if number > 1 else "")
        pages[path] = _html(f"{category}, page {number}", f"<ul>{items}</ul>{following}")
    pages[f"/guide/{category}"] = _html(f"How to choose {category}", "<p>Take the one you like.</p>")
    guide = f'<p><a class="guide" href="/guide/{category}">how to choose</a></p>'
    pages[f"/category/{category}"] = pages[f"/category/{category}"].replace("</body>", guide + "</body>")
    return pages


def _product_page(product: Product, catalogue: list[Product]) -> str:
    others = [catalogue[(product.number + step) % len(catalogue)] for step in (7, 31, 53)]
    also = "".join(f'<li><a class="also" href="/product/{one.number}">{one.name}</a></li>' for one in others)
    return _html(
        product.name,
        f'<p class="price">{product.price:.2f} EUR</p><p class="stock">{product.stock} in stock</p>'
        f'<p class="rating" data-stars="{product.rating}">{"*" * product.rating}</p>'
        f'<p>In <a class="category" href="/category/{product.category}">{product.category}</a>.</p><ul>{also}</ul>'
        f"<p>{'A thing to have and to hold, made with care. ' * 60}</p>",
    )
