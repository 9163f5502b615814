"""Imports go down only, foreign libraries stay at their edge, and ``import raycrawl`` is quick.

A module may import those of its own layer and of lower ones. What is imported inside a function counts too, but for the
doors listed in ``DOORS``: names that a lower layer resolves when a user calls for them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import raycrawl

PACKAGE = Path(raycrawl.__file__).parent
LAYERS = {
    "commands": 5,
    "cmdline": 5,
    "__main__": 5,
    "foreground": 4,
    "demo": 4,
    "testing": 4,
    "crawl": 4,
    "launch": 4,
    "actors": 3,
}
MIDDLE, LOW = 2, 1
_LOW_NAMES = {
    "core",
    "http",
    "frontier",
    "settings",
    "selector",
    "urls",
    "exceptions",
    "signals",
    "utils",
    "link",
    "item",
}
# (who, whom): public names of Scrapy whose documented place is below what they start
DOORS = {("crawler", "crawl"), ("shell", "localcrawl"), ("", "crawl"), ("crawler", "launch")}


def _modules() -> list[tuple[str, Path]]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        modules.append((".".join(part for part in parts if part != "__init__"), path))
    return modules


def _imports(path: Path) -> set[str]:
    """Every absolute import of the file, those for type checkers left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _layer(name: str) -> int:
    top = name.partition(".")[0]
    if name.startswith("core.downloader.handlers"):
        return MIDDLE  # the transports, at the paths that Scrapy's settings name
    return LAYERS.get(top, LOW if top in _LOW_NAMES else MIDDLE)


MODULES = _modules()


def test_all_imports_go_down() -> None:
    wrong = []
    for name, path in MODULES:
        for imported in _imports(path):
            if not imported.startswith("raycrawl."):
                continue
            target = imported.removeprefix("raycrawl.")
            door = (name.partition(".")[0], target.partition(".")[0])
            if _layer(target) > max(_layer(name), MIDDLE) and door not in DOORS:
                wrong.append(f"{name or 'raycrawl'} imports {imported}")
    assert wrong == []


def test_core_frontier_and_the_vocabulary_know_no_actors() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, path in MODULES
        if _layer(name) == LOW
        for imported in _imports(path)
        if imported.startswith(
            ("raycrawl.actors", "raycrawl.commands", "raycrawl.crawl.", "raycrawl.transport.aiohttp")
        )
    ]
    assert wrong == []


# where core meets the crawl's components: what decides is elsewhere
_NOT_PURE = ("core.downloader", "core.facade", "core.scheduler", "core.spidermw", "core.spiderchain")


def test_what_decides_knows_no_clock_no_loop_no_network() -> None:
    forbidden = {"asyncio", "socket", "ssl", "time", "threading", "ray", "aiohttp", "rocksdict", "subprocess"}
    wrong = [
        f"{name} imports {imported}"
        for name, path in MODULES
        if name.startswith("core.") and not name.startswith(_NOT_PURE)
        for imported in _imports(path)
        if imported.partition(".")[0] in forbidden
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "allowed"),
    [("ray", ("actors.", "actors", "crawl")), ("aiohttp", ("transport.aiohttp",)), ("rocksdict", ("frontier.rocks",))],
)
def test_a_foreign_library_stays_at_its_edge(library: str, allowed: tuple[str, ...]) -> None:
    users = [
        name
        for name, path in MODULES
        if any(imported.partition(".")[0] == library for imported in _imports(path))
        and not any(name == place or (place.endswith(".") and name.startswith(place)) for place in allowed)
    ]
    assert users == []


def test_nobody_needs_twisted_or_scrapy() -> None:
    users = [name for name, path in MODULES if {"scrapy", "twisted"} & {x.partition(".")[0] for x in _imports(path)}]
    assert users == []


def test_import_raycrawl_is_quick_and_light() -> None:
    code = (
        "import sys, time\nstart = time.perf_counter()\nimport raycrawl\n"
        "heavy = [name for name in ('ray', 'pandas', 'lxml', 'aiohttp') if name in sys.modules]\n"
        "print(time.perf_counter() - start, heavy)"
    )
    best_s = float("inf")
    for _ in range(3):  # the best of three: other processes may have the processor
        seconds, _, loaded = subprocess.check_output([sys.executable, "-c", code], text=True).partition(" ")
        best_s = min(best_s, float(seconds))
        assert loaded.strip() == "[]"
    assert best_s < 0.3


def test_the_command_line_starts_quickly() -> None:
    best_s = float("inf")
    for _ in range(3):
        start_s = time.perf_counter()
        subprocess.run([sys.executable, "-m", "raycrawl", "version"], check=True, capture_output=True)
        best_s = min(best_s, time.perf_counter() - start_s)
    assert best_s < 1.0


@pytest.mark.parametrize("name", ["Spider", "Request", "FormRequest", "Item", "Field", "Selector"])
def test_public_names_resolve_without_ray_or_pandas(name: str) -> None:
    code = f"import sys, raycrawl\nraycrawl.{name}\nprint([name for name in ('ray', 'pandas') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        raycrawl.no_such_name  # noqa: B018
