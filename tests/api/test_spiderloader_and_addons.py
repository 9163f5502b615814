"""Finding spiders by name, and add-ons."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Request
from raycrawl.crawler import Crawler, CrawlerRunner
from raycrawl.exceptions import NotConfigured
from raycrawl.settings import BaseSettings, Settings
from raycrawl.spiderloader import DummySpiderLoader, SpiderLoader, SpiderLoaderProtocol, get_spider_loader
from raycrawl.utils.spider import DefaultSpider
from raycrawl.utils.test import get_crawler

SPIDER = """
from raycrawl import Spider

class {cls}(Spider):
    name = {name!r}
    allowed_domains = [{domain!r}]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``shop`` with spiders one, two (in a subpackage) and a base class without a name."""
    root = tmp_path / "shop"
    (root / "deep").mkdir(parents=True)
    (root / "__init__.py").write_text("from raycrawl import Spider\n\nclass Base(Spider):\n    pass\n")
    (root / "one.py").write_text(SPIDER.format(cls="One", name="one", domain="one.example"))
    (root / "deep" / "__init__.py").write_text("")
    (root / "deep" / "two.py").write_text(SPIDER.format(cls="Two", name="two", domain="two.example"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


class TestSpiderLoader:
    def loader(self, *modules: str, **settings: Any) -> SpiderLoader:
        return SpiderLoader.from_settings(Settings({"SPIDER_MODULES": list(modules), **settings}))

    def test_list_and_load(self, package: Path) -> None:
        loader = self.loader("shop")
        assert sorted(loader.list()) == ["one", "two"]
        assert loader.load("two").__name__ == "Two"
        assert loader.spider_modules == ["shop"]
        with pytest.raises(KeyError, match="three"):
            loader.load("three")

    def test_one_module(self, package: Path) -> None:
        assert self.loader("shop.one").list() == ["one"]

    def test_find_by_request(self, package: Path) -> None:
        loader = self.loader("shop")
        assert loader.find_by_request(Request("http://www.two.example/")) == ["two"]
        assert loader.find_by_request(Request("http://three.example/")) == []

    def test_missing_module(self) -> None:
        with pytest.raises(ImportError):
            self.loader("no_such_module")

    def test_missing_module_may_be_a_warning(self, package: Path) -> None:
        with pytest.warns(RuntimeWarning, match="Could not load spiders from module 'no_such_module'"):
            loader = self.loader("no_such_module", "shop", SPIDER_LOADER_WARN_ONLY=True)
        assert sorted(loader.list()) == ["one", "two"]

    def test_syntax_error_may_be_a_warning(self, package: Path) -> None:
        (package / "broken.py").write_text("def oops(:")
        with pytest.warns(RuntimeWarning, match="shop"):
            self.loader("shop", SPIDER_LOADER_WARN_ONLY=True)
        with pytest.raises(SyntaxError):
            self.loader("shop")

    def test_duplicates_warn(self, package: Path) -> None:
        (package / "zzz.py").write_text(SPIDER.format(cls="OtherOne", name="one", domain="x.example"))
        with pytest.warns(UserWarning, match="several spiders with the same name") as caught:
            loader = self.loader("shop")
        text = str(caught[0].message)
        assert "One named 'one' (in shop.one)" in text
        assert "OtherOne named 'one' (in shop.zzz)" in text
        assert loader.load("one").__name__ == "OtherOne"

    def test_by_the_setting(self, package: Path) -> None:
        assert isinstance(get_spider_loader(Settings({"SPIDER_MODULES": "shop"})), SpiderLoader)
        settings = Settings({"SPIDER_LOADER_CLASS": DummySpiderLoader})
        assert get_spider_loader(settings).list() == []

    def test_runner_loads_by_name(self, package: Path) -> None:
        runner = CrawlerRunner({"SPIDER_MODULES": ["shop"]})
        assert runner.create_crawler("one").spidercls.name == "one"
        assert sorted(runner.spider_loader.list()) == ["one", "two"]

    def test_protocol(self) -> None:
        assert isinstance(self.loader(), SpiderLoaderProtocol)
        assert isinstance(DummySpiderLoader(), SpiderLoaderProtocol)
        assert not isinstance(object(), SpiderLoaderProtocol)

    def test_dummy(self) -> None:
        loader = DummySpiderLoader.from_settings(BaseSettings())
        assert loader.list() == []
        assert loader.find_by_request(Request("http://a.example/")) == []
        with pytest.raises(KeyError):
            loader.load("one")


class SettingAddon:
    def __init__(self) -> None:
        self.calls = 0

    def update_settings(self, settings: BaseSettings) -> None:
        self.calls += 1
        settings.set("SEEN", [*settings.getlist("SEEN"), type(self).__name__], priority="addon")


class LaterAddon(SettingAddon):
    pass


class FromCrawlerAddon:
    crawler: Any = None

    @classmethod
    def from_crawler(cls, crawler: Any) -> FromCrawlerAddon:
        made = cls()
        made.crawler = crawler
        return made


class UnavailableAddon:
    def __init__(self) -> None:
        raise NotConfigured("no licence")


class RefusingAddon:
    def update_settings(self, settings: BaseSettings) -> None:
        raise NotConfigured


class EarlyAddon:
    @classmethod
    def update_pre_crawler_settings(cls, settings: BaseSettings) -> None:
        settings.set("SPIDER_MODULES", ["early"], priority="addon")


class FallbackAddon:
    """Remembers what it replaces; applied twice, it would replace itself."""

    def update_settings(self, settings: BaseSettings) -> None:
        settings.set("FALLBACK", settings["STATS_CLASS"], "addon")
        settings.set("STATS_CLASS", "raycrawl.statscollectors.StatsCollector", "addon")


class TestAddons:
    def test_in_their_order(self) -> None:
        crawler = get_crawler(settings_dict={"ADDONS": {LaterAddon: 2, f"{__name__}.SettingAddon": 1}})
        assert crawler.settings["SEEN"] == ["SettingAddon", "LaterAddon"]
        assert [type(addon) for addon in crawler.addons.addons] == [SettingAddon, LaterAddon]

    def test_project_settings_go_first(self) -> None:
        crawler = get_crawler(settings_dict={"ADDONS": {SettingAddon: 1}, "SEEN": "mine"})
        assert crawler.settings["SEEN"] == "mine"

    def test_none_switches_off(self) -> None:
        assert get_crawler(settings_dict={"ADDONS": {SettingAddon: None}}).addons.addons == []

    def test_not_configured(self, caplog: pytest.LogCaptureFixture) -> None:
        crawler = get_crawler(settings_dict={"ADDONS": {UnavailableAddon: 1, RefusingAddon: 2, LaterAddon: 3}})
        assert [type(addon) for addon in crawler.addons.addons] == [LaterAddon]
        assert "no licence" in caplog.text

    def test_get_addon(self) -> None:
        crawler = get_crawler(settings_dict={"ADDONS": {FromCrawlerAddon: 1, LaterAddon: 2}})
        found = crawler.get_addon(FromCrawlerAddon)
        assert found is not None
        assert found.crawler is crawler
        assert crawler.get_addon(SettingAddon) is crawler.addons.addons[1]
        assert crawler.get_addon(EarlyAddon) is None

    def test_applied_once_in_the_whole_crawl(self) -> None:
        first = get_crawler(settings_dict={"ADDONS": {FallbackAddon: 1}})
        second = Crawler(DefaultSpider, first.settings)
        second.prepare()
        assert second.settings["FALLBACK"] == "raycrawl.statscollectors.MemoryStatsCollector"
        assert second.get_addon(FallbackAddon) is not None

    def test_before_there_is_a_crawler(self) -> None:
        runner = CrawlerRunner({"ADDONS": {EarlyAddon: 1, LaterAddon: 2}})
        assert runner.settings["SPIDER_MODULES"] == ["early"]

    def test_the_spiders_addons(self) -> None:
        class WithAddons(DefaultSpider):
            custom_settings = {"ADDONS": {SettingAddon: 1}}

        assert get_crawler(WithAddons).settings["SEEN"] == ["SettingAddon"]


def test_nothing_here_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_crawler(settings_dict={"ADDONS": {LaterAddon: 1}})
