"""The commands of a project: startproject, genspider, list, crawl, check, parse, fetch, view, edit."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pyarrow
import pytest

from raycrawl.frontier.inspect import STATES, FrontierReport
from raycrawl.testing import SiteRequest, SiteResponse, SiteServer
from tests.api.cmdline_helpers import CrawlRecorder, error_of, restored_process, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPIDER = '''
import raycrawl


class TitlesSpider(raycrawl.Spider):
    name = "titles"
    allowed_domains = ["127.0.0.1"]

    def parse(self, response, **extra):
        """The title.

        @url {url}
        @returns items 1 1
        @scrapes url title
        """
        yield {{"url": response.url, "title": response.css("title::text").get(), **extra}}
        for link in response.css("a"):
            yield response.follow(link, callback=self.parse_other)

    def parse_other(self, response):
        """Nothing.

        @url {url}
        @returns items 2
        """
        yield {{"other": response.url}}
'''


def page(request: SiteRequest) -> SiteResponse:
    if request.path == "/moved":
        return SiteResponse(status=302, headers=[("location", "/")])
    if request.path == "/robots.txt":
        return SiteResponse(status=404)
    return SiteResponse(body=f'<title>{request.path}</title><a href="/other">x</a>'.encode())


@pytest.fixture
def site() -> Iterator[SiteServer]:
    with SiteServer(page) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: SiteServer) -> Iterator[Path]:
    """A project ``shop`` with the spider above, the process inside it."""
    monkeypatch.chdir(tmp_path)
    with restored_process(tmp_path):
        assert run("startproject", "shop") == 0
        (tmp_path / "shop/shop/spiders/titles.py").write_text(SPIDER.format(url=site.url))
        monkeypatch.chdir(tmp_path / "shop")
        yield tmp_path / "shop"


def test_a_new_project_has_no_unfilled_names(project: Path) -> None:
    files = [path for path in project.rglob("*") if path.is_file() and path.name != "titles.py"]
    assert {path.name for path in files} >= {"scrapy.cfg", "settings.py", "items.py", "pipelines.py", "middlewares.py"}
    for path in files:
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
        assert "$" not in path.read_text(errors="ignore")


def test_list(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == "titles\n"


@pytest.mark.parametrize("template", ["basic", "crawl", "csvfeed", "xmlfeed"])
def test_genspider_makes_spiders_that_load(template: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("genspider", "-t", template, "my-quotes", "https://quotes.example/start") == 0
    text = (project / "shop/spiders/my_quotes.py").read_text()
    assert 'allowed_domains = ["quotes.example"]' in text
    assert 'start_urls = ["https://quotes.example/start"]' in text
    assert "class MyQuotesSpider(" in text
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == "my-quotes\ntitles\n"


def test_genspider_replaces_only_by_force(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert "exists already" in error_of(capsys, "genspider", "titles", "quotes.example")
    assert run("genspider", "--force", "titles", "quotes.example") == 0
    assert "quotes.example" in (project / "shop/spiders/titles.py").read_text()


def test_startproject_refuses_a_second_time(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert "already" in error_of(capsys, "startproject", "other", str(project))
    assert "no project name" in error_of(capsys, "startproject", "9lives")
    assert "json" in error_of(capsys, "startproject", "json")


def test_crawl_knows_its_spiders(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = CrawlRecorder(monkeypatch)
    capsys.readouterr()
    assert "titles" in error_of(capsys, "crawl", "tittles")
    assert run("crawl", "titles") == 0
    assert recorder.started[0][0].name == "titles"
    assert recorder.settings.getfloat("DOWNLOAD_DELAY") == 1  # the project's settings.py


def test_a_spider_that_does_not_import_is_located(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = project / "shop/spiders/broken.py"
    broken.write_text("x = (\n")
    capsys.readouterr()
    assert f"{broken}:1: SyntaxError" in error_of(capsys, "crawl", "titles")


def test_edit_runs_the_editor(project: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).with_suffix('.seen').touch()\nsys.exit(3)\n")
    assert run("edit", "titles", "-s", f"EDITOR={sys.executable} {editor}") == 3
    assert (project / "shop/spiders/titles.seen").exists()


def test_fetch_prints_the_body(project: Path, site: SiteServer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run("fetch", "--nolog", site.urljoin("/a")) == 0
    assert capfdbinary.readouterr().out.endswith(b'<title>/a</title><a href="/other">x</a>')


def test_fetch_follows_redirects_unless_told_not_to(
    project: Path, site: SiteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("fetch", "--nolog", "--headers", site.urljoin("/moved")) == 0
    assert "< 200 " in capsys.readouterr().out
    assert run("fetch", "--nolog", "--headers", "--no-redirect", site.urljoin("/moved")) == 0
    assert "< 302 " in capsys.readouterr().out


def test_fetch_of_a_dead_host_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("fetch", "--nolog", "-s", "RETRY_ENABLED=0", "http://127.0.0.1:9/") == 1
    error = capsys.readouterr().err
    assert error.startswith("http://127.0.0.1:9/: ")
    assert error.count("\n") == 1


def test_view_opens_a_browser(project: Path, site: SiteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("raycrawl.utils.response.open_in_browser", lambda response: opened.append(response.url))
    assert run("view", "--nolog", site.url) == 0
    assert opened == [site.url]


def test_shell_evaluates_code(project: Path, site: SiteServer, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("shell", "--nolog", "--spider", "titles", site.urljoin("/moved"), "-c", "response.url, spider.name") == 0
    assert capsys.readouterr().out == f"('{site.url}', 'titles')\n"
    assert run("shell", "--nolog", "--no-redirect", site.urljoin("/moved"), "-c", "response.status") == 0
    assert capsys.readouterr().out == "302\n"
    assert run("shell", "--nolog", "-c", f"fetch({site.url!r}) or view.__name__") == 0
    assert capsys.readouterr().out == "open_in_browser\n"


def test_shell_opens_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "page.html").write_text("<title>from a file</title>")
    capsys.readouterr()
    assert run("shell", "--nolog", "./page.html", "-c", "response.css('title::text').get()") == 0
    assert capsys.readouterr().out == "from a file\n"


def test_shell_says_what_cannot_be_fetched(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("shell", "--nolog", "-s", "RETRY_ENABLED=0", "http://127.0.0.1:9/", "-c", "response") == 1
    assert capsys.readouterr().err.startswith("http://127.0.0.1:9/: ")


def test_check_runs_contracts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("check", "-l") == 0
    assert capsys.readouterr().out == "titles\n  * parse\n  * parse_other\n"
    assert run("check", "titles") == 1
    told = capsys.readouterr().err
    assert "[titles] parse_other (@returns post-hook)" in told
    assert "[titles] parse (" not in told
    assert "FAILED (failures=1)" in told


def test_parse_prints_items_and_requests(project: Path, site: SiteServer, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("parse", "--nolog", "--spider", "titles", "--cbkwargs", '{"mark": 7}', site.url) == 0
    shown = capsys.readouterr().out
    assert "'title': '/'" in shown
    assert "'mark': 7" in shown
    assert f"<GET {site.urljoin('/other')}>" in shown


def test_parse_follows_to_a_depth_with_a_callback(
    project: Path, site: SiteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("parse", "--nolog", "--spider", "titles", "-d", "2", "-v", site.url) == 0
    shown = capsys.readouterr().out
    assert "DEPTH LEVEL: 2" in shown
    assert f"'other': '{site.urljoin('/other')}'" in shown
    assert run("parse", "--nolog", "--spider", "titles", "-c", "parse_other", "--nolinks", site.url) == 0
    assert f"'other': '{site.url}'" in capsys.readouterr().out


def test_parse_says_what_is_wrong(project: Path, site: SiteServer, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert "--meta" in error_of(capsys, "parse", "--spider", "titles", "--meta", "{", site.url)
    assert "no callback 'parse_none'" in error_of(
        capsys, "parse", "--nolog", "--spider", "titles", "-c", "parse_none", site.url
    )


def test_frontier_shows_a_job_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = FrontierReport(
        {"enqueued": 3, "filtered": 1, **dict.fromkeys(STATES, 1)}, {"a.example": dict.fromkeys(STATES, 1)}, [], []
    )
    monkeypatch.setattr("raycrawl.frontier.inspect.inspect_jobdir", lambda path, limit: report)
    assert run("frontier", "job") == 0
    assert "a.example" in capsys.readouterr().out
    assert run("frontier", "job", "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["enqueued"] == 3
    assert run("frontier", "job", "--arrow", str(tmp_path / "domains.arrow")) == 0
    with pyarrow.memory_map(str(tmp_path / "domains.arrow")) as source:
        assert pyarrow.ipc.open_file(source).read_all()["domain"].to_pylist() == ["a.example"]


def test_frontier_refuses_what_is_no_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in error_of(capsys, "frontier", str(tmp_path))
    assert "JOBDIR" in error_of(capsys, "frontier")
