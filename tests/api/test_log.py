"""Logging: the root handler, loggers of spiders, counting, and the messages on requests and items."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Request
from raycrawl.exceptions import DropItem
from raycrawl.failure import Failure
from raycrawl.http import Response
from raycrawl.logformatter import LogFormatter
from raycrawl.spiders import Spider
from raycrawl.utils.log import (
    LogCounterHandler,
    SpiderLoggerAdapter,
    StreamLogger,
    TopLevelFormatter,
    configure_logging,
    failure_to_exc_info,
    get_scrapy_root_handler,
    install_scrapy_root_handler,
    log_crawler_info,
    log_scrapy_info,
    logformatter_adapter,
    set_crawler_log_level,
    uninstall_scrapy_root_handler,
)
from raycrawl.utils.test import get_crawler
from raycrawl.utils.versions import get_versions


@pytest.fixture(autouse=True)
def clean_root() -> Iterator[None]:
    root = logging.getLogger()
    level, stdout, out = root.level, sys.stdout, sys.stdout
    uninstall_scrapy_root_handler()
    yield
    uninstall_scrapy_root_handler()
    root.setLevel(level)
    sys.stdout = stdout
    assert out is sys.stdout
    logging.captureWarnings(False)


def settings(**values: Any) -> Any:
    from raycrawl.settings import Settings

    return Settings(values)


class TestRootHandler:
    def test_console(self) -> None:
        configure_logging({"LOG_LEVEL": "WARNING"})
        handler = get_scrapy_root_handler()
        assert type(handler) is logging.StreamHandler
        assert handler.level == logging.WARNING
        assert handler in logging.getLogger().handlers
        assert logging.getLogger().level == logging.NOTSET

    def test_level_by_number(self) -> None:
        configure_logging({"LOG_LEVEL": 15})
        handler = get_scrapy_root_handler()
        assert handler is not None
        assert handler.level == 15

    def test_disabled(self) -> None:
        configure_logging({"LOG_ENABLED": False})
        assert type(get_scrapy_root_handler()) is logging.NullHandler

    def test_without_root_handler(self) -> None:
        configure_logging(install_root_handler=False)
        assert get_scrapy_root_handler() is None
        configure_logging({"LOG_INSTALL_ROOT_HANDLER": False})
        assert get_scrapy_root_handler() is None

    def test_installing_again_replaces(self) -> None:
        configure_logging()
        first = get_scrapy_root_handler()
        configure_logging()
        second = get_scrapy_root_handler()
        assert second is not first
        assert first not in logging.getLogger().handlers

    def test_file(self, tmp_path: Path) -> None:
        path = tmp_path / "crawl.log"
        path.write_text("before\n", encoding="utf-8")
        configure_logging({"LOG_FILE": str(path), "LOG_FORMAT": "%(levelname)s: %(message)s", "LOG_LEVEL": "INFO"})
        logging.getLogger("x").info("grüße")
        logging.getLogger("x").debug("hidden")
        uninstall_scrapy_root_handler()
        assert path.read_text(encoding="utf-8") == "before\nINFO: grüße\n"

    def test_file_is_replaced_when_asked(self, tmp_path: Path) -> None:
        path = tmp_path / "crawl.log"
        path.write_text("before\n", encoding="utf-8")
        install_scrapy_root_handler(
            settings(LOG_FILE=str(path), LOG_FILE_APPEND=False, LOG_FORMAT="%(message)s", LOG_ENCODING="latin-1")
        )
        logging.getLogger("x").info("grüße")
        uninstall_scrapy_root_handler()
        assert path.read_text(encoding="latin-1") == "grüße\n"

    def test_format_and_date(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging({"LOG_FORMAT": "%(asctime)s|%(name)s|%(message)s", "LOG_DATEFORMAT": "date"})
        logging.getLogger("a.b").warning("hello")
        assert "date|a.b|hello\n" in capsys.readouterr().err

    def test_short_names(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging({"LOG_FORMAT": "%(name)s: %(message)s", "LOG_SHORT_NAMES": True})
        logging.getLogger("raycrawl.core.engine").warning("ours")
        logging.getLogger("other.module").warning("theirs")
        assert capsys.readouterr().err == "raycrawl: ours\nother.module: theirs\n"

    def test_stdout(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        monkeypatch.setattr(sys, "stdout", sys.stdout)
        configure_logging({"LOG_STDOUT": True, "LOG_ENABLED": False})
        caplog.set_level(logging.INFO)
        print("printed")
        assert isinstance(sys.stdout, StreamLogger)
        assert ("stdout", logging.INFO, "printed") in caplog.record_tuples
        monkeypatch.undo()

    def test_colour_is_for_terminals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        configure_logging({"LOG_FORMAT": "%(levelname)s %(message)s"})
        logging.getLogger("x").error("red")
        assert terminal.getvalue() == "\x1b[31mERROR\x1b[0m red\n"
        configure_logging({"LOG_FORMAT": "%(levelname)s %(message)s", "LOG_COLOR": False})
        logging.getLogger("x").error("plain")
        assert terminal.getvalue().endswith("\nERROR plain\n")

    def test_crawls_own_level(self) -> None:
        configure_logging()
        set_crawler_log_level(get_crawler(settings_dict={"LOG_LEVEL": "ERROR"}))
        handler = get_scrapy_root_handler()
        assert handler is not None
        assert handler.level == logging.ERROR

    def test_crawls_own_file(self, tmp_path: Path) -> None:
        configure_logging()
        set_crawler_log_level(get_crawler(settings_dict={"LOG_FILE": str(tmp_path / "own.log")}))
        assert isinstance(get_scrapy_root_handler(), logging.FileHandler)

    def test_no_handler_of_ours(self) -> None:
        set_crawler_log_level(get_crawler(settings_dict={"LOG_LEVEL": "ERROR"}))
        assert get_scrapy_root_handler() is None


class TestInfo:
    def test_versions(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        log_scrapy_info(settings(LOG_VERSIONS=["lxml", "Python", "no-such-package"], BOT_NAME="mybot"))
        assert "mybot" in caplog.text
        assert "no-such-package: not installed" in caplog.text
        assert dict(get_versions())["raycrawl"]
        caplog.clear()
        log_scrapy_info(settings(LOG_VERSIONS=[]))
        assert len(caplog.records) == 1

    def test_overridden_settings_without_credentials(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        crawler = get_crawler(
            settings_dict={"RETRY_TIMES": 9, "HTTPAUTH_PASS": "s3cret", "AWS_SECRET_ACCESS_KEY": "k3y"}
        )
        caplog.clear()
        log_crawler_info(crawler)
        assert "'RETRY_TIMES': 9" in caplog.text
        assert "s3cret" not in caplog.text
        assert "k3y" not in caplog.text
        assert "'HTTPAUTH_PASS': '(hidden)'" in caplog.text


class TestParts:
    def test_spider_logger_adapter(self, caplog: pytest.LogCaptureFixture) -> None:
        adapter = SpiderLoggerAdapter(logging.getLogger("x"), {"spider": "spider"})
        adapter.warning("one", extra={"more": 1})
        [record] = caplog.records
        assert (record.spider, record.more) == ("spider", 1)  # type: ignore[attr-defined]
        _, kwargs = adapter.process("m", {"extra": {"spider": "other"}})
        assert kwargs["extra"] == {"spider": "other"}

    def test_top_level_formatter(self) -> None:
        formatter = TopLevelFormatter(["raycrawl"])
        for name, shown in [("raycrawl.a.b", "raycrawl"), ("raycrawl", "raycrawl"), ("other.a", "other.a"),
                            ("raycrawlish.a", "raycrawlish.a")]:  # fmt: skip
            record = logging.makeLogRecord({"name": name})
            assert formatter.filter(record)
            assert record.name == shown
        record = logging.makeLogRecord({"name": "a.b"})
        TopLevelFormatter().filter(record)
        assert record.name == "a.b"

    def test_log_counter(self) -> None:
        crawler = get_crawler()
        handler = LogCounterHandler(crawler, level=logging.INFO)
        logger = logging.getLogger("counted")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(handler)
        try:
            logger.debug("not counted")
            logger.info("one")
            logger.error("two")
            logger.error("three")
        finally:
            logger.removeHandler(handler)
        assert crawler.stats.get_value("log_count/DEBUG") is None
        assert crawler.stats.get_value("log_count/INFO") == 1
        assert crawler.stats.get_value("log_count/ERROR") == 2

    def test_stream_logger(self, caplog: pytest.LogCaptureFixture) -> None:
        stream = StreamLogger(logging.getLogger("stream"), logging.ERROR)
        print("one\ntwo  ", file=stream)
        stream.flush()
        assert caplog.record_tuples == [("stream", logging.ERROR, "one"), ("stream", logging.ERROR, "two")]
        assert not stream.isatty()

    def test_failure_to_exc_info(self) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            _ = 1 / 0
        error = caught.value
        assert failure_to_exc_info(Failure(error)) == (ZeroDivisionError, error, error.__traceback__)

    def test_logformatter_adapter(self) -> None:
        made = {"level": logging.ERROR, "msg": "%(a)s", "args": {"a": 1}}
        assert logformatter_adapter(made) == (logging.ERROR, "%(a)s", {"a": 1})
        assert logformatter_adapter({"msg": "x"})[:2] == (logging.INFO, "x")


class TestLogFormatter:
    formatter = LogFormatter()
    request = Request("http://a.example/")
    response = Response("http://a.example/")

    def text(self, made: Any) -> tuple[int, str]:
        level, message, args = logformatter_adapter(made)
        return level, message % args

    def test_crawled(self) -> None:
        made = self.formatter.crawled(self.request, self.response, None)
        assert self.text(made) == (logging.DEBUG, "Crawled (200) <GET http://a.example/> (referer: None)")

    def test_crawled_with_flags_and_referer(self) -> None:
        request = Request("http://a.example/", headers={"Referer": "http://b.example/"}, flags=["f"])
        response = Response("http://a.example/", flags=["cached"])
        _, text = self.text(self.formatter.crawled(request, response, None))
        assert text == "Crawled (200) <GET http://a.example/> ['f'] (referer: http://b.example/) ['cached']"

    def test_passwords_of_a_referer_are_left_out(self) -> None:
        request = Request("http://a.example/", headers={"Referer": "http://me:secret@b.example/x"})
        _, text = self.text(self.formatter.crawled(request, self.response, None))
        assert text.endswith("(referer: http://b.example/x)")

    def test_scraped(self) -> None:
        level, text = self.text(self.formatter.scraped({"a": 1}, self.response, None))
        assert level == logging.DEBUG
        assert text.splitlines() == ["Scraped from <200 http://a.example/>", "{'a': 1}"]
        _, text = self.text(self.formatter.scraped({"a": 1}, Failure(ValueError("oops")), None))
        assert text.splitlines()[0] == "Scraped from oops"
        _, text = self.text(self.formatter.scraped({"a": 1}, None, None))
        assert text.splitlines() == ["Scraped from start()", "{'a': 1}"]
        _, text = self.text(self.formatter.scraped({"a": 1}, None, get_crawler().spider))
        assert text.splitlines()[0] == "Scraped from raycrawl.spiders.Spider.start"

    def test_dropped(self) -> None:
        level, text = self.text(self.formatter.dropped({"a": 1}, DropItem("no price"), self.response, None))
        assert level == logging.WARNING
        assert text.splitlines() == ["Dropped: no price", "{'a': 1}"]

    @pytest.mark.parametrize(
        ("default", "own", "expected"),
        [
            ("INFO", None, logging.INFO),
            (logging.ERROR, None, logging.ERROR),
            ("INFO", "DEBUG", logging.DEBUG),
            ("15", None, 15),
            ("INFO", logging.CRITICAL, logging.CRITICAL),
        ],
    )
    def test_dropped_level(self, default: Any, own: Any, expected: int) -> None:
        spider: Spider | None = get_crawler(settings_dict={"DEFAULT_DROPITEM_LOG_LEVEL": default}).spider
        made = self.formatter.dropped({}, DropItem("no", log_level=own), self.response, spider)
        assert made is not None
        assert made["level"] == expected

    def test_dropped_level_that_does_not_exist(self) -> None:
        with pytest.raises(ValueError, match="'loud'"):
            self.formatter.dropped({}, DropItem("no", log_level="loud"), self.response, None)

    def test_item_error(self) -> None:
        made = self.formatter.item_error({"a": 1}, ValueError("oops"), self.response, None)
        assert self.text(made) == (logging.ERROR, "Error processing {'a': 1}")

    def test_spider_error(self) -> None:
        made = self.formatter.spider_error(Failure(ValueError("oops")), self.request, self.response, None)
        assert self.text(made) == (
            logging.ERROR,
            "Spider error processing <GET http://a.example/> (referer: None)",
        )

    def test_download_error(self) -> None:
        failure = Failure(ValueError("oops"))
        made = self.formatter.download_error(failure, self.request, None)
        assert self.text(made) == (logging.ERROR, "Error downloading <GET http://a.example/>")
        made = self.formatter.download_error(failure, self.request, None, "timed out")
        assert self.text(made) == (logging.ERROR, "Error downloading <GET http://a.example/>: timed out")

    def test_the_setting_chooses(self) -> None:
        class Quiet(LogFormatter):
            def crawled(self, *args: Any) -> None:
                return None

        crawler = get_crawler(settings_dict={"LOG_FORMATTER": Quiet})
        assert crawler.logformatter.crawled(self.request, self.response, None) is None
