"""Runs a spider file under Scrapy and under raycrawl against the same site, and says what they did differently."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PLACEHOLDER = "127.0.0.1:8000"
TIMEOUT_S = 90
# What a crawl of several processes counts differently by nature: times, bytes of memory, its own numbers.
IGNORED_STATS = re.compile(
    r"(start_time|finish_time|elapsed_time_seconds|\w+_per_minute|memusage/.*|log_count/(DEBUG|INFO|WARNING)"
    r"|scheduler/.*/.*|frontier/.*|engine/.*|feedexport/.*/.*|\w+/retry_after|offsite/domains"
    r"|robotstxt/exception_count/.*)$"
)
HEADER_NAMES = re.compile(
    r"(accept.*|cookie|referer|content-type|content-length|authorization|user-agent|if-.*|x-.*|cache-control)$"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A spider file and how to run it.

    ``own_feeds``: it writes its own files. ``as_script``: it is run by Python, and starts its crawl itself.
    ``single``: with one Scraper, for what each copy of the spider would do once more. ``ordered``: that, and the order
    of requests has to be Scrapy's. ``known``: patterns of differences that are documented (docs/scrapy.md); each has to
    occur. ``possible``: patterns of differences that depend on who is faster, and may.
    """

    name: str
    arguments: tuple[str, ...] = ()
    own_feeds: bool = False
    ordered: bool = False
    as_script: bool = False
    single: bool = False
    ignored_stats: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Outcome:
    """What one crawler did: comparable data only."""

    exit_code: int
    items: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    log: str = ""


class Site:
    """The site server's process; a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.differential.site"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return json.load(answer)


class RayKeeper:
    """A Ray cluster in a process of its own, for all runs: starting one for each takes longer than the crawl."""

    CODE = (
        "import sys, ray\nfrom raycrawl.actors.cluster import ensure_ray\nensure_ray('local', num_cpus=4)\n"
        "print('ray', ray.get_runtime_context().gcs_address, flush=True)\nsys.stdin.read()\nray.shutdown()"
    )

    def __init__(self) -> None:
        paths = os.pathsep.join([str(REPOSITORY), str(HERE / "kit")])
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex, "PYTHONPATH": paths}
        self.address = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.CODE],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ray "):
                self.address = line.split()[1]
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)


def translated(source: str, engine: str, port: int) -> str:
    """The spider for that crawler: the imports, and the site's port; nothing else."""
    source = source.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    source = re.sub(r"(127\.0\.0\.[23]):8000", rf"\1:{port}", source)
    if engine == "raycrawl":
        source = re.sub(r"^import scrapy$", "import raycrawl as scrapy", source, flags=re.M)
        source = re.sub(r"^from scrapy\b", "from raycrawl", source, flags=re.M)
    return source


def run(case: Case, engine: str, python: str, site: Site, directory: Path, keeper: RayKeeper | None = None) -> Outcome:
    """One run in ``directory``/``engine``, which is emptied before."""
    place = directory / engine
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    file = place / f"{case.name}_spider.py"
    file.write_text(translated((HERE / "spiders" / f"{case.name}.py").read_text(), engine, site.port))
    site.ask("/_reset")
    command = _command(case, engine, python, file, keeper)
    paths = [str(HERE / "kit"), *([str(REPOSITORY)] if engine == "raycrawl" else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    if engine == "raycrawl" and keeper is not None:
        environment.update(keeper.environment, RAY_ADDRESS=keeper.address)
    with (place / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            exit_code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            exit_code = process.wait()
    logs = [path.read_text() for path in (place / "log.txt", place / "output.txt") if path.exists()]
    outcome = Outcome(exit_code=exit_code, log="\n".join(logs))
    outcome.requests = [_request_line(entry) for entry in site.ask("/_log")]
    if (place / "items.jsonl").exists():
        outcome.items = Counter(_canonical(line) for line in (place / "items.jsonl").read_text().splitlines())
    if (place / "stats.json").exists():
        outcome.stats = _comparable_stats(json.loads((place / "stats.json").read_text()), case)
    for top in ("out", "store"):
        for path in sorted((place / top).rglob("*")):
            if path.is_file():
                outcome.files[str(path.relative_to(place))] = _content(path)
    return outcome


def _command(case: Case, engine: str, python: str, file: Path, keeper: RayKeeper | None) -> list[str]:
    if case.as_script:
        return [python, file.name]
    command = [python, "-m", engine, "runspider", file.name, "--logfile", "log.txt"]
    command += ["-s", 'ADDONS={"diffkit.Addon": 1}', "-s", f"STATS_FILE={file.parent / 'stats.json'}"]
    for argument in case.arguments:
        command += ["-a", argument]
    if not case.own_feeds:
        command += ["-O", "items.jsonl"]
    if engine == "raycrawl":
        command += ["--address", keeper.address] if keeper else []
        command += ["-s", "SCRAPER_ACTORS=1"] if case.ordered or case.single else []
    return command


def _canonical(line: str) -> str:
    return json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False)


def _content(path: Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8", "backslashreplace") if len(data) < 20_000 else str(len(data))


def _request_line(entry: dict[str, Any]) -> str:
    """A request as the server saw it, on one line: method, URL, body and the headers that mean something."""
    chosen = {name: value for name, value in sorted(entry["headers"].items()) if HEADER_NAMES.match(name)}
    if "cookie" in chosen:
        chosen["cookie"] = "; ".join(sorted(chosen["cookie"].split("; ")))
    return f"{entry['method']} {entry['url']} {entry['body']!r} {json.dumps(chosen)}"


def _comparable_stats(stats: dict[str, Any], case: Case) -> dict[str, Any]:
    result = {}
    for key, value in stats.items():
        if IGNORED_STATS.match(key) or any(re.match(pattern, key) for pattern in case.ignored_stats):
            continue
        result[key.replace("scrapy.", "raycrawl.")] = value
    return result


def judged(case: Case, scrapy: Outcome, ours: Outcome) -> list[str]:
    """The differences that nobody has documented, and the documented ones that do not exist."""
    found = differences(scrapy, ours, ordered=case.ordered)
    stale = [known for known in case.known if not any(re.search(known, line) for line in found)]
    excused = re.compile("|".join((*case.known, *case.possible)) or "(?!)")
    return [line for line in found if not excused.search(line)] + [f"documented, but not so: {line}" for line in stale]


def differences(scrapy: Outcome, ours: Outcome, *, ordered: bool = False) -> list[str]:
    """One line for each difference; "-" is what only Scrapy has, "+" what only raycrawl has."""
    found = []
    if scrapy.exit_code != ours.exit_code:
        found.append(f"exit code: - {scrapy.exit_code} + {ours.exit_code}\n{ours.log[-800:]}")
        return found
    found += _bag("item", scrapy.items, ours.items)
    found += _bag("request", Counter(scrapy.requests), Counter(ours.requests))
    if ordered and not found and scrapy.requests != ours.requests:
        found += [f"order:\n  - {_short(scrapy.requests)}\n  + {_short(ours.requests)}"]
    for kind, theirs, mine in (("stat", scrapy.stats, ours.stats), ("file", scrapy.files, ours.files)):
        for key in sorted(theirs.keys() | mine.keys()):
            if theirs.get(key) != mine.get(key):
                found.append(f"{kind} {key}: - {theirs.get(key)!r} + {mine.get(key)!r}")
    return found


def _short(requests: list[str]) -> list[str]:
    return [line.split()[1].partition("/")[2].partition("/")[2] for line in requests]


def _bag(kind: str, theirs: Counter[str], mine: Counter[str]) -> list[str]:
    lines = [f"- {kind} x{count} {entry}" for entry, count in sorted((theirs - mine).items())]
    return lines + [f"+ {kind} x{count} {entry}" for entry, count in sorted((mine - theirs).items())]
