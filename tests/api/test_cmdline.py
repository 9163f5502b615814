"""The command line: commands, options, exit codes; bad input is one line on standard error and exit code 2."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.api.cmdline_helpers import SPIDER, CrawlRecorder, FakeCrawl, error_of, restored_process, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _outside_of_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with restored_process(tmp_path):
        yield


@pytest.fixture
def spider(tmp_path: Path) -> str:
    path = tmp_path / "quotes.py"
    path.write_text(SPIDER)
    return str(path)


def write(tmp_path: Path, text: str, name: str = "spider.py") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


# -- commands ------------------------------------------------------------------------------------------------------


def test_without_arguments_it_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    listed = capsys.readouterr().out
    for name in ("runspider", "demo", "version", "fetch", "shell", "genspider", "startproject", "settings", "bench"):
        assert f"  {name} " in listed


@pytest.mark.parametrize("name", ["runspider", "demo", "version", "fetch", "view", "genspider", "startproject"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert f"usage: raycrawl {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import raycrawl

    assert run("version") == 0
    assert capsys.readouterr().out == f"raycrawl {raycrawl.__version__}\n"


def test_verbose_version_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version", "-v") == 0
    assert "ray         : 2" in capsys.readouterr().out


def test_python_m_raycrawl() -> None:
    done = subprocess.run([sys.executable, "-m", "raycrawl", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "runspider" in done.stderr


def test_settings_prints_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("settings", "--getint", "CONCURRENT_REQUESTS", "-s", "CONCURRENT_REQUESTS=7") == 0
    assert capsys.readouterr().out == "7\n"


def test_settings_says_what_does_not_convert(capsys: pytest.CaptureFixture[str]) -> None:
    assert "BOT_NAME='scrapybot'" in error_of(capsys, "settings", "--getint", "BOT_NAME")


def test_commands_of_projects_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "inside a project only" in error_of(capsys, "list")


# -- runspider -----------------------------------------------------------------------------------------------------


def test_runspider_starts_a_crawl(spider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", spider, "-a", "tag=x=y", "-s", "DOWNLOAD_DELAY=2", "-L", "ERROR", "-O", "q.csv") == 0
    ((spidercls, _),) = recorder.started
    assert spidercls.__name__ == "QuotesSpider"
    assert recorder.arguments == {"tag": "x=y"}
    assert recorder.settings.getfloat("DOWNLOAD_DELAY") == 2
    assert recorder.settings["LOG_LEVEL"] == "ERROR"
    assert dict(recorder.settings["FEEDS"]) == {"q.csv": {"format": "csv", "overwrite": True}}


@pytest.mark.parametrize("option", [("-o", "-:jsonlines"), ("--output", "-:jsonlines"), ("-o", "stdout::jsonlines")])
def test_items_may_go_to_standard_output(
    option: tuple[str, str], spider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", spider, *option) == 0
    ((uri, options),) = dict(recorder.settings["FEEDS"]).items()
    assert uri.startswith("stdout:")
    assert options["format"] == "jsonlines"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("code", [0, 1, 75])
def test_the_crawls_exit_code_is_the_commands(code: int, spider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    CrawlRecorder(monkeypatch, FakeCrawl(code=code))
    assert run("runspider", spider) == code


@pytest.mark.parametrize("options", [("--nolog",), ("--logfile", "log"), ()])
def test_why_a_crawl_failed_is_told_once(
    options: tuple[str, ...], spider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CrawlRecorder(monkeypatch, FakeCrawl(code=1))
    assert run("runspider", spider, *options) == 1
    assert capsys.readouterr().err.count("it did not end well") == 1


def test_pidfile_and_logfile(spider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", spider, "--pidfile", "pid", "--logfile", "log") == 0
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert recorder.settings["LOG_FILE"] == "log"


def test_nolog_and_profile(spider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", spider, "--nolog", "--profile", "profile") == 0
    assert recorder.settings.getbool("LOG_ENABLED") is False
    assert (tmp_path / "profile").stat().st_size > 100


def test_one_of_several_spiders_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, SPIDER + SPIDER.replace("Quotes", "Books").replace('"quotes"', '"books"'))
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", path, "--spider", "books") == 0
    assert recorder.started[0][0].__name__ == "BooksSpider"


def test_a_file_with_the_name_of_a_module_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", write(tmp_path, SPIDER, "logging.py")) == 0
    assert recorder.started[0][0].name == "quotes"
    assert sys.modules["logging"] is logging


# -- two signals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_gracefully(signum: int, spider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = FakeCrawl(polls=100)
    crawl.on_wait = lambda: None if crawl.calls else os.kill(os.getpid(), signum)
    CrawlRecorder(monkeypatch, crawl)
    before = signal.getsignal(signum)
    assert run("runspider", spider) == 0
    assert crawl.calls == ["stop shutdown"]
    assert signal.getsignal(signum) is before


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_at_once(signum: int, code: int, spider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = FakeCrawl(polls=1000)
    crawl.stop = lambda reason="shutdown": crawl.calls.append("stop")  # type: ignore[method-assign]
    crawl.on_wait = lambda: os.kill(os.getpid(), signum)
    CrawlRecorder(monkeypatch, crawl)
    assert run("runspider", spider) == code
    assert crawl.calls == ["stop", "kill"]


# -- bad input -----------------------------------------------------------------------------------------------------


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing.py" in error_of(capsys, "runspider", "missing.py")
    assert "a Python file" in error_of(capsys, "runspider")


def test_not_a_python_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "end in .py" in error_of(capsys, "runspider", write(tmp_path, SPIDER, "spider.txt"))


def test_no_spider_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "from raycrawl import Spider\n")
    assert f"there is no spider in {path}" in error_of(capsys, "runspider", path)


def test_two_spiders_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SPIDER + SPIDER.replace("Quotes", "Books").replace('"quotes"', '"books"'))
    message = error_of(capsys, "runspider", path)
    assert "quotes (QuotesSpider), books (BooksSpider)" in message
    assert "no spider 'cds'" in error_of(capsys, "runspider", path, "--spider", "cds")


def test_a_spider_without_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SPIDER.replace('    name = "quotes"\n', ""))
    assert "QuotesSpider" in (message := error_of(capsys, "runspider", path))
    assert "has no name" in message


def test_a_syntax_error_is_located(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "import raycrawl\n\ndef f(:\n")
    assert f"{path}:3: SyntaxError" in error_of(capsys, "runspider", path)


def test_an_error_of_the_import_is_located(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "import raycrawl\n\nimport no_such_module\n")
    assert f"{path}:3: ModuleNotFoundError: No module named 'no_such_module'" in error_of(capsys, "runspider", path)


@pytest.mark.parametrize("option", ["-a", "-s"])
@pytest.mark.parametrize("value", ["novalue", "=x"])
def test_a_pair_without_name_or_value(option: str, value: str, spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{option} takes NAME=VALUE, not {value!r}" in error_of(capsys, "runspider", spider, option, value)


@pytest.mark.parametrize(
    ("setting", "named"),
    [("CONCURRENT_REQUESTS=many", "CONCURRENT_REQUESTS"), ("DOWNLOAD_DELAY=-1", "DOWNLOAD_DELAY")],
)
def test_a_wrong_setting(setting: str, named: str, spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert named in error_of(capsys, "runspider", spider, "-s", setting, lines=2)


@pytest.mark.parametrize("name", ["settings", "wait", "name"])
def test_a_spider_argument_may_have_any_name(name: str, spider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = CrawlRecorder(monkeypatch)
    assert run("runspider", spider, "-a", f"{name}=x") == 0
    assert recorder.arguments == {name: "x"}
    assert recorder.settings["BOT_NAME"] == "scrapybot"


def test_a_wrong_level_or_option(spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "LOUD" in error_of(capsys, "runspider", spider, "-L", "LOUD")
    assert "--wrong" in error_of(capsys, "runspider", spider, "--wrong")


def test_an_unknown_format(spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "docx" in error_of(capsys, "runspider", spider, "-o", "items.docx")


@pytest.mark.parametrize("target", ["directory", "file/below.jsonl", "/proc/items.jsonl"])
def test_a_feed_that_cannot_be_written(
    target: str, spider: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    assert f"cannot write {target}" in error_of(capsys, "runspider", spider, "-o", f"{target}:jsonlines")


def test_a_feeds_check_leaves_nothing_behind(spider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CrawlRecorder(monkeypatch)
    before = {path.name for path in tmp_path.iterdir()} | {"__pycache__"}
    assert run("runspider", spider, "-o", "new/directory/items.jsonl") == 0
    assert {path.name for path in tmp_path.iterdir()} <= before


def test_a_feed_without_a_storage_keeps_its_password(spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, "runspider", spider, "-o", "gopher://me:secret@host/items.jsonl")
    assert "gopher" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ('["quotes.toscrape.com"]', "quotes.toscrape.com"),
        ('["htp://quotes.toscrape.com"]', "htp:"),
        ('["http://"]', "http://"),
        ("[None]", "None"),
        ('"http://quotes.toscrape.com"', "is a string"),
    ],
)
def test_a_bad_start_url(urls: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SPIDER.replace('["http://127.0.0.1:9/"]', urls))
    message = error_of(capsys, "runspider", path)
    assert "QuotesSpider.start_urls" in message
    assert told in message


def test_start_urls_of_a_spider_with_its_own_start_are_its_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "    async def start(self):\n        yield {}\n\n    def parse"
    path = write(tmp_path, SPIDER.replace("http://127.0.0.1:9/", "just words").replace("    def parse", own))
    CrawlRecorder(monkeypatch)
    assert run("runspider", path) == 0


def test_a_dead_ray_address(spider: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:  # bound and not listening: nobody else gets the port, and connections are refused
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert f"no Ray cluster answers at {address}" in error_of(capsys, "runspider", spider, "--address", address)
    assert "'nowhere'" in error_of(capsys, "runspider", spider, "--address", "nowhere")


def test_bad_input_starts_no_ray(tmp_path: Path) -> None:
    path = write(tmp_path, "x = 1\n")
    code = (
        "import sys\nfrom raycrawl.cmdline import execute\n"
        f"try:\n    execute(['raycrawl', 'runspider', {path!r}])\n"
        "except SystemExit as end:\n    sys.exit(99 if 'ray' in sys.modules else end.code)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 2
