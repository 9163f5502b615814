"""The benches' own arithmetic: what they would say of runs that went well, and of runs that did not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.bench.__main__ import bench_names, main
from tests.bench.polite import smallest_gap
from tests.bench.processes import Usage, kind_of, measure
from tests.bench.runs import Crawled
from tests.bench.site import LoggedRequest, serve, write_linked_site

PAGES = {f"127.0.0.1/p/{number}.html" for number in range(4)}


def crawled(
    times: list[float], uris: list[str] | None = None, items: list[str] | None = None, code: int = 0
) -> Crawled:
    uris = [f"/p/{number}.html" for number in range(len(times))] if uris is None else uris
    requests = [LoggedRequest(time_s, "127.0.0.1", uri, 200) for time_s, uri in zip(times, uris, strict=True)]
    urls = [f"http://127.0.0.1:80{uri}" for uri in (uris if items is None else items)]
    return Crawled("x", Usage(exit_code=code, cpu_s={"a": 1.0, "b": 3.0}), requests, [{"url": url} for url in urls], "")


def test_a_good_run_has_no_faults() -> None:
    assert crawled([0, 1, 2, 3]).faults(PAGES) == []


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (crawled([0, 1, 2, 3], code=1), "exit code 1"),
        (crawled([0, 1, 2]), "1 pages never fetched, e.g. 127.0.0.1/p/3.html"),
        (crawled([0] * 5, [*(f"/p/{n}.html" for n in range(4)), "/p/0.html"]), "1 pages fetched more than once"),
        (crawled([0] * 4, items=["/p/0.html"] * 2), "3 pages never delivered"),
        (crawled([0] * 4, items=["/p/0.html"] * 2), "1 pages delivered more than once"),
        (crawled([0] * 5), "1 unknown pages fetched, e.g. 127.0.0.1/p/4.html"),
    ],
)
def test_a_bad_run_has(run: Crawled, told: str) -> None:
    assert any(fault.startswith(told) for fault in run.faults(PAGES))


def test_rates_leave_out_the_first_and_the_last_tenth() -> None:
    slow_start_and_end = [0.0] * 10 + [10 + number * 0.1 for number in range(80)] + [1000.0] * 10
    assert crawled(slow_start_and_end[:90] + [18.0] + [1000.0] * 9).pages_per_s() == pytest.approx(10)
    assert crawled([0, 1, 2, 3]).cpu_ms_per_page() == 1000


def test_the_smallest_gap_is_of_one_host() -> None:
    requests = [LoggedRequest(t, host, "/", 200) for t, host in [(0, "a"), (0.1, "b"), (0.5, "a"), (1.2, "b")]]
    gap = smallest_gap(Crawled("x", Usage(), requests, [], ""))
    assert gap == (0.5, "a")


@pytest.mark.parametrize(
    ("command_line", "kind"),
    [
        (b"ray::Scraper.scrape()\0", "ray::Scraper"),
        (b"ray::ExecutionEngine\0", "ray::ExecutionEngine"),
        (b"/usr/bin/python3\0-m\0raycrawl\0runspider\0x.py\0", "raycrawl"),
        (b"/x/raylet/raylet\0--port=1\0", "raylet"),
        (b"python\0-u\0/x/log_monitor.py\0", "log_monitor.py"),
        (b"", "?"),
    ],
)
def test_the_kind_of_a_process(command_line: bytes, kind: str) -> None:
    assert kind_of(command_line) == kind


def test_cpu_of_a_whole_family_is_counted(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(0.25)"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\n{burn}"
    usage = measure([sys.executable, "-c", parent], cwd=tmp_path, output=tmp_path / "out")
    assert usage.exit_code == 0
    assert usage.total_cpu_s == pytest.approx(1.0, abs=0.35)
    assert usage.peak_rss_nbytes >= usage.peak_pss_nbytes > 1_000_000


@pytest.mark.parametrize("kind", ["nginx", "asyncio"])
def test_either_server_serves_and_logs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "asyncio":
        monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    write_linked_site(tmp_path / "site", pages=20)
    with serve(tmp_path / "site", tmp_path) as server:
        if server.kind != kind:
            pytest.skip("there is no nginx here")
        before_s = time.time()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/p/7.html") as response:
            body = response.read()
    (request,) = server.requests()
    assert (request.host, request.uri, request.status) == ("127.0.0.1", "/p/7.html", 200)
    assert request.time_s == pytest.approx(before_s, abs=2)
    assert body.count(b"<a href=") == 32
    assert 15_000 < len(body) < 17_000
    assert b'href="/p/0.html"' not in body


def test_the_names_of_the_benches(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"throughput", "latency", "polite"} <= set(bench_names())
    assert main(["nonsense"]) == 2
    assert "throughput" in capsys.readouterr().err


def test_python_m_tests_bench() -> None:
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "throughput", "--help"],
        cwd=repository, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--scrapy-python" in done.stdout
