"""Each Scraper has a copy of the spider: what a spider gathers on itself has come apart at the end: that is said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from raycrawl.actors.spidercopies import Attributes, diverged
from tests.actors.local import Run, linked
from tests.actors.test_crawl import Everything


class Gathers(Everything):
    """Keeps what it has seen, as spiders do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: set[str] = set()
        self.made_at = time.perf_counter()  # another in each copy, from the beginning

    def parse(self, response: Any) -> Any:
        self.seen.add(response.url)
        self.pages = getattr(self, "pages", 0) + 1000 * self.crawler.process_index + 1
        self.last_kind = "page"  # the same in each copy
        yield from super().parse(response)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "copy of its own" in record.getMessage()]


async def test_attributes_that_came_apart_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await Run(Gathers, linked(60), tmp_path, scrapers=2).finish()
    (warning,) = warnings_of(caplog)
    assert warning == (
        "The spider's attributes 'pages', 'seen' differ between the 2 Scrapers: each has a copy of its own of the "
        "spider; SCRAPER_ACTORS=1 gives one"
    )


async def test_nothing_is_said_of_one_scraper_or_of_a_spider_that_keeps_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await Run(Gathers, linked(20), tmp_path, scrapers=1).finish()
    (tmp_path / "more").mkdir()
    await Run(Everything, linked(20), tmp_path / "more", scrapers=2).finish()
    assert warnings_of(caplog) == []


class Copy:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, bytes]:
    copy = Copy(**before)
    attributes = Attributes(copy)
    copy.__dict__.update(after)
    return attributes.changed()


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ({"a", "b", "c"}, {"c", "b", "a"}, False),
        ({"x": 1, "y": [2]}, {"y": [2], "x": 1}, False),
        ([1, 2], [2, 1], True),
        ("1", 1, True),
        ({1: {2: {3}}}, {1: {2: {4}}}, True),
        (list(range(200_000)), list(range(200_001)), True),
        ("\ud800", "\ud801", True),
        (Copy(a=1), Copy(a=2), False),
    ],
    ids=["sets", "dicts", "order", "types", "nested", "large", "surrogates", "objects"],
)
def test_what_counts_as_different(one: Any, other: Any, differs: bool) -> None:
    copies = [changes({"value": None}, {"value": value}) for value in (one, other)]
    assert diverged(copies) == (["value"] if differs else [])


def test_attribute_that_refers_to_itself_is_compared_by_size() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert diverged([changes({}, {"ring": ring}), changes({}, {"ring": []})]) == ["ring"]
