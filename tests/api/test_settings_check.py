"""Bad values are named before a crawl begins; settings without effect warn."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from raycrawl.exceptions import UsageError
from raycrawl.settings import Settings, default_settings
from raycrawl.settings.check import LEFT_OUT, check_settings
from raycrawl.settings.kinds import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_the_defaults_are_fine() -> None:
    check_settings(Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_PRIVATE_ADDRESSES", "10.0.0.0/99"),
        ("AUTOTHROTTLE_TARGET_CONCURRENCY", 0),
        ("BATCH_DELAY", -1),
        ("BATCH_PAGES", 0),
        ("CONCURRENT_REQUESTS", "abc"),
        ("CONCURRENT_REQUESTS", 0),
        ("CONCURRENT_REQUESTS", 1.5),
        ("COOKIES_ENABLED", "maybe"),
        ("DOWNLOADER_ACTORS", "many"),
        ("DOWNLOAD_DELAY", "nan"),
        ("DOWNLOAD_DELAY", -0.5),
        ("DOWNLOAD_SLOTS", "[1]"),
        ("DOWNLOAD_TLS_MIN_VERSION", "SSLv3"),
        ("EXTENSIONS", {"a.b": "first"}),
        ("FEEDS", "not json"),
        ("FEED_EXPORT_ENCODING", "utf-99"),
        ("FRONTIER_SYNC", "sometimes"),
        ("HEARTBEAT_INTERVAL", "soon"),
        ("ITEM_PIPELINES", {3: 1}),
        ("ITEM_PIPELINES", ["a.b"]),
        ("LEASE_TIMEOUT", 0),
        ("LOG_LEVEL", "LOUD"),
        ("MEMORY_BACKOUT_PERCENT", 101),
        ("RETRY_HTTP_CODES", "500,abc"),
        ("RETRY_HTTP_CODES", {500: 1}),
        ("SCHEDULER_SHARDS", 0),
        ("STATS_CLASS", "nodots"),
    ],
)
def test_bad_value_is_named(name: str, value: object) -> None:
    settings = Settings()
    settings.attributes[name].value = value  # as it is: also where set() would refuse it
    with pytest.raises(UsageError, match=re.escape(name)) as caught:
        check_settings(settings)
    assert "expected" in str(caught.value) or "neither" in str(caught.value)


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        check_settings(Settings({"DOWNLOAD_TIMEOUT": "x", "RETRY_TIMES": "y"}))
    assert "DOWNLOAD_TIMEOUT='x'" in str(caught.value)
    assert "RETRY_TIMES='y'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_PRIVATE_ADDRESSES", ["10.0.0.0/8", "db.internal"]),
        ("ALLOW_PRIVATE_ADDRESSES", "10.0.0.0/8,localhost"),
        ("ALLOW_PRIVATE_ADDRESSES", "True"),
        ("CONCURRENT_REQUESTS", "32"),
        ("DOWNLOADER_ACTORS", 3),
        ("DOWNLOAD_DELAY", "0.25"),
        ("FRONTIER_SYNC", "always"),
        ("FRONTIER_SYNC", 5),
        ("HEARTBEAT_INTERVAL", 0),
        ("ITEM_PIPELINES", '{"a.b": 1, "a.c": null}'),
        ("JOBDIR", Path("jobs")),
        ("LOG_LEVEL", "info"),
        ("LOG_LEVEL", 15),
        ("RETRY_HTTP_CODES", "500,503"),
        ("SCRAPER_CPUS", 0.5),
    ],
)
def test_good_value(name: str, value: object) -> None:
    check_settings(Settings({name: value}))


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_setting_without_effect_warns_and_says_what_to_use(name: str) -> None:
    with pytest.warns(UserWarning, match=name) as caught:
        check_settings(Settings({name: 5}))
    assert len(caught) == 1
    assert LEFT_OUT[name] in str(caught[0].message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWISTED_REACTOR", "twisted.internet.asyncioreactor.AsyncioSelectorReactor"),
        ("REQUEST_FINGERPRINTER_IMPLEMENTATION", "2.7"),
        ("TELNETCONSOLE_ENABLED", False),
    ],
)
def test_setting_that_asks_for_what_happens_anyway_is_silent(name: str, value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_settings(Settings({name: value}))


def test_extension_that_does_not_exist_warns_unless_it_is_switched_off() -> None:
    telnet = "scrapy.extensions.telnet.TelnetConsole"
    with pytest.warns(UserWarning, match="telnet"):
        check_settings(Settings({"EXTENSIONS": {telnet: 0}}))
    check_settings(Settings({"EXTENSIONS": {telnet: None}}))


@pytest.mark.parametrize("name", ["SCHEDULER", "DOWNLOADER", "SCHEDULER_PRIORITY_QUEUE", "ITEM_PROCESSOR"])
def test_component_that_cannot_be_replaced_warns(name: str) -> None:
    with pytest.warns(UserWarning, match=f"{name}='my.Own'"):
        check_settings(Settings({name: "my.Own"}))
    same = getattr(default_settings, name).replace("raycrawl.", "scrapy.")
    if name != "DOWNLOADER":
        check_settings(Settings({name: same}))


def test_misspelt_name_warns() -> None:
    with pytest.warns(UserWarning, match="no setting CONCURENT_REQUESTS: is CONCURRENT_REQUESTS meant"):
        check_settings(Settings({"CONCURENT_REQUESTS": 5}))


def test_a_projects_own_settings_are_silent() -> None:
    check_settings(Settings({"MY_SETTING": 1, "RETRY_DELAY": 2, "FILES_EXPIRES": 3, "MYPIPELINE_FILES_EXPIRES": 4}))


def test_what_is_checked_exists() -> None:
    assert [name for name in KINDS if not hasattr(default_settings, name)] == []
    assert [name for name in LEFT_OUT if hasattr(default_settings, name)] == []


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", text))
    defaults = {name for name in dir(default_settings) if name.isupper()}
    assert sorted(defaults - documented) == []
    assert sorted(set(LEFT_OUT) - documented) == []


def test_documented_defaults_are_the_defaults() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| `([^`]*)` \|", text, flags=re.MULTILINE)
    assert len(rows) > 100
    wrong = {name: value for name, value in rows if repr(getattr(default_settings, name)) != value}
    assert wrong == {}
