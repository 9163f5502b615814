"""raycrawl.utils.misc, conf, project, template, trackref and other small helpers."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raycrawl import Item, Request, signals
from raycrawl.exceptions import NotConfigured, ScrapyDeprecationWarning, UsageError
from raycrawl.settings import BaseSettings, Settings
from raycrawl.spiders import Spider
from raycrawl.utils import trackref
from raycrawl.utils.boto import is_botocore_available
from raycrawl.utils.conf import (
    arglist_to_dict,
    build_component_list,
    closest_scrapy_cfg,
    feed_complete_default_values_from_settings,
    feed_process_params_from_cli,
    get_config,
    get_sources,
    init_env,
)
from raycrawl.utils.decorators import deprecated, inthread
from raycrawl.utils.deprecate import argument_is_required, attribute, method_is_overridden
from raycrawl.utils.display import pformat, pprint
from raycrawl.utils.engine import format_engine_status, get_engine_status, print_engine_status
from raycrawl.utils.job import job_dir
from raycrawl.utils.misc import (
    arg_to_iter,
    build_from_crawler,
    is_generator_with_return_value,
    load_object,
    md5sum,
    rel_has_nofollow,
    set_environ,
    translate_path,
    walk_modules,
    walk_modules_iter,
    warn_on_generator_with_return_value,
)
from raycrawl.utils.ossignal import install_shutdown_handlers, signal_names
from raycrawl.utils.project import (
    data_path,
    find_projects,
    get_project_settings,
    inside_project,
    project_data_dir,
)
from raycrawl.utils.template import render_templatefile, string_camelcase
from raycrawl.utils.test import get_crawler, get_from_asyncio_queue, get_reactor_settings, get_testenv


class TestArgToIter:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, []), (5, [5]), ("text", ["text"]), (b"bytes", [b"bytes"]), ([1, 2], [1, 2]), ((1, 2), [1, 2]),
            ({"a": 1}, [{"a": 1}]), (iter([1]), [1]), (0, [0]), ("", [""]),
        ],
    )  # fmt: skip
    def test_values(self, value: Any, expected: list[Any]) -> None:
        assert list(arg_to_iter(value)) == expected

    def test_item_is_one_value(self) -> None:
        item = Item()
        assert list(arg_to_iter(item)) == [item]


class TestLoadObject:
    def test_by_path(self) -> None:
        assert load_object("raycrawl.spiders.Spider") is Spider
        assert load_object("raycrawl.utils.misc.load_object") is load_object

    def test_callables_are_returned(self) -> None:
        assert load_object(Spider) is Spider
        assert load_object(load_object) is load_object

    @pytest.mark.parametrize(
        ("path", "error"),
        [
            ("nodots", ValueError),
            ("raycrawl.spiders.NoSuchThing", NameError),
            ("no.such.module.Thing", ImportError),
            (5, TypeError),
            ({}, TypeError),
        ],
    )
    def test_errors_name_the_path(self, path: Any, error: type[Exception]) -> None:
        with pytest.raises(error) as caught:
            load_object(path)
        assert str(path).split(".")[0] in str(caught.value)

    def test_scrapys_paths_load_ours(self) -> None:
        assert load_object("scrapy.statscollectors.MemoryStatsCollector") is load_object(
            "raycrawl.statscollectors.MemoryStatsCollector"
        )
        assert load_object("scrapy.Spider") is Spider
        assert translate_path("scrapy.no.such.Thing") == "scrapy.no.such.Thing"
        assert translate_path("scrapyish.spiders.Spider") == "scrapyish.spiders.Spider"

    def test_every_default_component_loads(self) -> None:
        settings = Settings()
        bases = [settings[name] for name in settings if name.endswith("_BASE")]
        paths = {key for base in bases for key in base if "." in str(key)}
        paths |= {value for base in bases for value in base.values() if isinstance(value, str)}
        paths |= {value for value in settings.values() if isinstance(value, str) and value.startswith("raycrawl.")}
        paths |= {value for value in settings["RETRY_EXCEPTIONS"] if isinstance(value, str)}
        assert len(paths) > 60
        paths.discard(settings["DOWNLOADER"])  # an actor, which is not loaded by its name
        assert [path for path in sorted(paths) if not callable(load_object(path))] == []


class TestBuildFromCrawler:
    def test_from_crawler(self) -> None:
        class Component:
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                self.given = (args, kwargs)

            @classmethod
            def from_crawler(cls, crawler: Any, *args: Any, **kwargs: Any) -> Component:
                return cls(crawler, *args, **kwargs)

        crawler = get_crawler()
        assert build_from_crawler(Component, crawler, 1, a=2).given == ((crawler, 1), {"a": 2})

    def test_plain(self) -> None:
        class Component:
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                self.given = (args, kwargs)

        assert build_from_crawler(Component, get_crawler(), 1, a=2).given == ((1,), {"a": 2})

    def test_older_from_settings(self) -> None:
        class Component:
            settings: Any = None

            @classmethod
            def from_settings(cls, settings: Any) -> Component:
                made = cls()
                made.settings = settings
                return made

        crawler = get_crawler()
        assert build_from_crawler(Component, crawler).settings is crawler.settings

    def test_none_is_an_error(self) -> None:
        class Component:
            @classmethod
            def from_crawler(cls, crawler: Any) -> None:
                return None

        with pytest.raises(TypeError, match=r"Component\.from_crawler gave None"):
            build_from_crawler(Component, get_crawler())


class TestWalkModules:
    def test_everything_below(self) -> None:
        names = [module.__name__ for module in walk_modules("raycrawl.contracts")]
        assert names == ["raycrawl.contracts", "raycrawl.contracts.default"]
        assert [module.__name__ for module in walk_modules_iter("raycrawl.link")] == ["raycrawl.link"]

    def test_missing(self) -> None:
        with pytest.raises(ImportError):
            walk_modules("raycrawl.no_such_module")


def returning() -> Any:
    yield 1
    return 2


def not_returning() -> Any:
    def inner() -> int:
        return 5

    yield inner
    if inner() == 5:
        return
    return None


class TestMisc:
    @pytest.mark.parametrize(
        ("rel", "expected"),
        [(None, False), ("", False), ("nofollow", True), ("ugc,nofollow", True), ("ugc NoFollow", True),
         ("nofollowed", False), ("no follow", False)],
    )  # fmt: skip
    def test_rel_has_nofollow(self, rel: str | None, expected: bool) -> None:
        assert rel_has_nofollow(rel) is expected

    def test_set_environ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RC_ONE", "before")
        monkeypatch.delenv("RC_TWO", raising=False)
        with set_environ(RC_ONE="inside", RC_TWO="inside"):
            assert (os.environ["RC_ONE"], os.environ["RC_TWO"]) == ("inside", "inside")
        assert os.environ["RC_ONE"] == "before"
        assert "RC_TWO" not in os.environ

    def test_md5sum(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"file content to hash")
        with path.open("rb") as file:
            assert md5sum(file) == "784406af91dd5a54fbb9c84c2236595a"

    def test_generator_with_return_value(self) -> None:
        assert is_generator_with_return_value(returning)
        assert not is_generator_with_return_value(not_returning)
        assert not is_generator_with_return_value(load_object)

    def test_warn_on_generator(self) -> None:
        spider = get_crawler().spider
        with pytest.warns(UserWarning, match=r"DefaultSpider\.returning"):
            warn_on_generator_with_return_value(spider, returning)
        warn_on_generator_with_return_value(spider, not_returning)
        quiet = get_crawler(settings_dict={"WARN_ON_GENERATOR_RETURN_VALUE": False}).spider
        warn_on_generator_with_return_value(quiet, returning)


class TestComponentList:
    def test_by_order(self) -> None:
        assert build_component_list({"one": 1, "two": None, "three": 8, "four": 4.5, "zero": 0, "less": -1}) == [
            "less", "zero", "one", "four", "three",
        ]  # fmt: skip

    def test_classes(self) -> None:
        assert build_component_list({Spider: 2, "a.B": 1}) == ["a.B", Spider]
        assert build_component_list(BaseSettings({"one": 2, "two": 1})) == ["two", "one"]

    def test_convert(self) -> None:
        assert build_component_list({"one": 1}, convert=str.upper) == ["ONE"]
        with pytest.raises(ValueError, match="twice"):
            build_component_list({"one": 1, "ONE": 2}, convert=str.lower)

    def test_scrapys_path_becomes_ours(self) -> None:
        assert build_component_list({"scrapy.extensions.logstats.LogStats": 1}) == [
            "raycrawl.extensions.logstats.LogStats"
        ]

    def test_orders_are_numbers(self) -> None:
        with pytest.raises(ValueError, match="order of 'one'"):
            build_component_list({"one": "1"})


class TestFeeds:
    @pytest.mark.parametrize(
        ("entry", "expected"),
        [
            ("items.json", {"items.json": {"format": "json"}}),
            ("items.dat:csv", {"items.dat": {"format": "csv"}}),
            ("s3://bucket/items.jsonl", {"s3://bucket/items.jsonl": {"format": "jsonl"}}),
            ("ftp://user:pass@host:21/a.xml", {"ftp://user:pass@host:21/a.xml": {"format": "xml"}}),
            ("-:json", {"stdout:": {"format": "json"}}),
            (r"C:\items.jl", {r"C:\items.jl": {"format": "jl"}}),
            (r"C:\items:pickle", {r"C:\items": {"format": "pickle"}}),
        ],
    )
    def test_append(self, entry: str, expected: Any) -> None:
        assert feed_process_params_from_cli(Settings(), [entry]) == expected

    def test_overwrite(self) -> None:
        found = feed_process_params_from_cli(Settings(), [], overwrite_output=["a.json", "-:csv"])
        stdout = {"format": "csv", "overwrite": True}
        assert found == {"a.json": {"format": "json", "overwrite": True}, "stdout:": stdout}

    @pytest.mark.parametrize(
        ("output", "overwrite", "match"),
        [
            (["a.json"], ["b.json"], "not both"),
            (["items.weird"], [], "'weird' is not a feed format"),
            (["items:weird"], [], "'weird' is not a feed format"),
            (["items"], [], "there is no feed format"),
            (["-"], [], "there is no feed format"),
        ],
    )
    def test_errors(self, output: list[str], overwrite: list[str], match: str) -> None:
        with pytest.raises(UsageError, match=match):
            feed_process_params_from_cli(Settings(), output, overwrite_output=overwrite)

    def test_own_format(self) -> None:
        settings = Settings({"FEED_EXPORTERS": {"mine": "a.B", "csv": None}})
        assert feed_process_params_from_cli(settings, ["x.mine"]) == {"x.mine": {"format": "mine"}}
        with pytest.raises(UsageError, match="csv"):
            feed_process_params_from_cli(settings, ["x.csv"])

    def test_options_are_completed(self) -> None:
        settings = Settings(
            {
                "FEED_EXPORT_ENCODING": "latin-1",
                "FEED_EXPORT_FIELDS": ["a", "b"],
                "FEED_EXPORT_INDENT": 4,
                "FEED_STORE_EMPTY": False,
                "FEED_URI_PARAMS": "a.b",
                "FEED_EXPORT_BATCH_ITEM_COUNT": 2,
            }
        )
        feed = {"indent": None}
        assert feed_complete_default_values_from_settings(feed, settings) == {
            "batch_item_count": 2,
            "encoding": "latin-1",
            "fields": ["a", "b"],
            "indent": None,
            "item_export_kwargs": {},
            "store_empty": False,
            "uri_params": "a.b",
        }
        assert feed == {"indent": None}
        assert feed_complete_default_values_from_settings({}, settings, "s3://b/items.csv")["format"] == "csv"
        with_format = {"format": "xml"}
        assert feed_complete_default_values_from_settings(with_format, settings, "items.csv")["format"] == "xml"
        settings = Settings({"FEED_EXPORT_INDENT": None})
        completed = feed_complete_default_values_from_settings({}, settings)
        assert (completed["indent"], completed["fields"], completed["store_empty"]) == (None, None, True)


def test_arglist_to_dict() -> None:
    assert arglist_to_dict(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(ValueError, match="'oops'"):
        arglist_to_dict(["oops"])


@pytest.fixture
def no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("SCRAPY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(no_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (no_project / "scrapy.cfg").write_text("[settings]\ndefault = rc_proj.settings\nother = rc_proj.other\n")
    (no_project / "rc_proj").mkdir()
    (no_project / "rc_proj" / "__init__.py").write_text("")
    (no_project / "rc_proj" / "settings.py").write_text("BOT_NAME = 'rc_proj'\nRETRY_TIMES = 5\n")
    (no_project / "rc_proj" / "other.py").write_text("BOT_NAME = 'other'\n")
    (no_project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(no_project / "deep" / "down")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "to be removed")
    monkeypatch.delenv("SCRAPY_SETTINGS_MODULE")
    yield no_project
    os.environ.pop("SCRAPY_SETTINGS_MODULE", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "rc_proj"]:
        del sys.modules[name]


class TestProject:
    def test_none(self, no_project: Path) -> None:
        assert not inside_project()
        assert closest_scrapy_cfg() == ""
        assert dict(get_project_settings()) == dict(Settings())
        with pytest.raises(NotConfigured):
            project_data_dir()
        assert data_path("x") == os.path.join(".scrapy", "x")

    def test_settings(self, project: Path) -> None:
        assert inside_project()
        assert closest_scrapy_cfg() == str(project / "scrapy.cfg")
        settings = get_project_settings()
        assert settings["BOT_NAME"] == "rc_proj"
        assert settings.getpriority("RETRY_TIMES") == 20
        assert settings["REDIRECT_MAX_TIMES"] == 20
        assert str(project) in sys.path

    def test_other_project_of_the_same_file(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCRAPY_PROJECT", "other")
        assert get_project_settings()["BOT_NAME"] == "other"

    def test_settings_module_by_environment(self, no_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (no_project / "rc_env_settings.py").write_text("BOT_NAME = 'env'\n")
        monkeypatch.syspath_prepend(str(no_project))
        monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "rc_env_settings")
        assert inside_project()
        assert get_project_settings()["BOT_NAME"] == "env"

    def test_settings_by_environment(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCRAPY_RETRY_TIMES", "9")
        monkeypatch.setenv("SCRAPY_PYTHON_SHELL", "plain")
        settings = get_project_settings()
        assert settings.getint("RETRY_TIMES") == 9
        assert settings["PYTHON_SHELL"] is None

    def test_module_that_cannot_be_imported(self, no_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "no_such_settings")
        with pytest.warns(UserWarning, match="no_such_settings"):
            assert not inside_project()

    def test_data_folder(self, project: Path) -> None:
        assert project_data_dir() == str(project / ".scrapy")
        assert (project / ".scrapy").is_dir()
        assert data_path("cache", createdir=True) == str(project / ".scrapy" / "cache")
        assert (project / ".scrapy" / "cache").is_dir()
        assert data_path(str(project / "absolute")) == str(project / "absolute")
        assert not (project / "absolute").exists()

    def test_data_folder_of_the_file(self, project: Path) -> None:
        (project / "scrapy.cfg").write_text(f"[datadir]\ndefault = {project / 'mine'}\n")
        assert project_data_dir() == str(project / "mine")

    def test_init_env(self, project: Path) -> None:
        init_env("other")
        assert os.environ["SCRAPY_SETTINGS_MODULE"] == "rc_proj.other"
        assert get_config().get("settings", "default") == "rc_proj.settings"

    def test_sources(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sources = get_sources()
        assert sources[-1] == str(project / "scrapy.cfg")
        assert os.path.join(os.environ["XDG_CONFIG_HOME"], "scrapy.cfg") in sources
        assert os.path.join(os.environ["HOME"], ".scrapy.cfg") in sources
        assert get_sources(use_closest=False) == sources[:-1]

    def test_find_projects(self, tmp_path: Path) -> None:
        for folder in ("a", "a/inside", "b/c", ".hidden", "venv/lib", "skipped"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "scrapy.cfg").write_text("")
        (tmp_path / "venv" / "pyvenv.cfg").write_text("")

        def found(**options: Any) -> list[str]:
            return sorted(str(path.relative_to(tmp_path)) for path in find_projects(tmp_path, **options))

        assert found(ignored_dirs=["skipped"]) == ["a", "b/c"]
        assert found(max_depth=1) == ["a", "skipped"]
        assert found(max_depth=0) == []
        assert list(find_projects(tmp_path / "a")) == [tmp_path / "a"]
        assert list(find_projects(tmp_path / "a", max_depth=0)) == [tmp_path / "a"]

    def test_job_dir(self, tmp_path: Path) -> None:
        assert job_dir(Settings()) is None
        path = tmp_path / "a" / "job"
        assert job_dir(Settings({"JOBDIR": str(path)})) == str(path)
        assert path.is_dir()


class TestTemplates:
    def test_render(self, tmp_path: Path) -> None:
        path = tmp_path / "templ.py"
        path.write_text("from ${project}.spiders import $name # $$5 grüße", encoding="utf-8")
        render_templatefile(path, project="p", name="N")
        assert path.read_text(encoding="utf-8") == "from p.spiders import N # $5 grüße"

    def test_tmpl_suffix_goes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.py.tmpl"
        path.write_text("$name")
        render_templatefile(str(path), name="N")
        assert not path.exists()
        assert (tmp_path / "a.py").read_text() == "N"

    def test_missing_value(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text("$name")
        with pytest.raises(KeyError):
            render_templatefile(path)

    @pytest.mark.parametrize(("given", "camel"), [("lost-pound", "LostPound"), ("my_spider 2", "MySpider2")])
    def test_camelcase(self, given: str, camel: str) -> None:
        assert string_camelcase(given) == camel


class Tracked(trackref.object_ref):
    pass


class AlsoTracked(trackref.object_ref):
    pass


class TestTrackref:
    @pytest.fixture(autouse=True)
    def nothing_alive(self) -> None:
        trackref.live_refs.clear()

    def test_live_objects(self) -> None:
        first, second, other = Tracked(), Tracked(), AlsoTracked()
        text = trackref.format_live_refs()
        assert text.startswith("Live References\n\n")
        assert [line.split()[:2] for line in text.splitlines()[2:]] == [["AlsoTracked", "1"], ["Tracked", "2"]]
        assert "oldest: 0s ago" in text
        assert "Tracked  " not in trackref.format_live_refs(ignore=(Tracked, AlsoTracked))
        assert trackref.get_oldest("Tracked") is first
        assert set(trackref.iter_all("Tracked")) == {first, second}
        assert trackref.get_oldest("AlsoTracked") is other
        assert trackref.get_oldest("NoSuchClass") is None
        assert list(trackref.iter_all("NoSuchClass")) == []

    def test_dead_objects_are_not_listed(self) -> None:
        one = Tracked()
        del one
        gc.collect()
        assert trackref.get_oldest("Tracked") is None
        assert trackref.format_live_refs() == "Live References\n\n"

    def test_print(self, capsys: pytest.CaptureFixture[str]) -> None:
        one = Tracked()
        trackref.print_live_refs()
        assert "Tracked" in capsys.readouterr().out
        del one


class TestSmall:
    def test_deprecated(self) -> None:
        @deprecated
        def older() -> int:
            """Documented."""
            return 1

        @deprecated("newer()")  # type: ignore[untyped-decorator]
        def oldest() -> int:
            return 2

        with pytest.warns(ScrapyDeprecationWarning, match=r"older\(\) is deprecated$"):
            assert older() == 1
        with pytest.warns(ScrapyDeprecationWarning, match=r"use newer\(\) instead"):
            assert oldest() == 2
        assert older.__doc__ == "Documented."

    async def test_inthread(self) -> None:
        import threading

        assert await inthread(threading.get_ident)() != threading.get_ident()

    def test_deprecate_helpers(self) -> None:
        class Base:
            def one(self, a: int, b: int = 1) -> None: ...

            def two(self) -> None: ...

            @classmethod
            def three(cls) -> None: ...

        class Derived(Base):
            def two(self) -> None: ...

        assert not method_is_overridden(Derived, Base, "one")
        assert method_is_overridden(Derived, Base, "two")
        assert not method_is_overridden(Derived, Base, "three")
        assert argument_is_required(Base.one, "a")
        assert not argument_is_required(Base.one, "b")
        assert not argument_is_required(Base.one, "c")
        with pytest.warns(ScrapyDeprecationWarning, match=r"Derived\.old is the older spelling of Derived\.new"):
            attribute(Derived(), "old", "new")

    def test_display(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        pprint({"a": 1})
        assert capsys.readouterr().out == "{'a': 1}\n"
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        assert pformat({"a": 1}, colorize=False) == "{'a': 1}"

    def test_boto(self) -> None:
        code = "import botocore"
        installed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
        assert is_botocore_available() is installed

    def test_ossignal(self) -> None:
        assert signal_names[15] == "SIGTERM"
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

        def handler(number: int, frame: Any) -> None: ...

        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            install_shutdown_handlers(handler, override_sigint=False)
            assert signal.getsignal(signal.SIGTERM) is handler
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            install_shutdown_handlers(handler)
            assert signal.getsignal(signal.SIGINT) is handler
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])

    def test_engine_status(self, capsys: pytest.CaptureFixture[str]) -> None:
        from raycrawl.core.facade import ExecutionEngine

        crawler = get_crawler()
        engine = ExecutionEngine(crawler)
        status = dict(get_engine_status(engine))
        assert status["engine.spider.name"] == "default"
        assert status["engine.paused"] is False
        engine.spider = None
        assert dict(get_engine_status(engine))["engine.spider.name"] == "AttributeError (exception)"
        assert format_engine_status(engine).startswith("Execution engine status\n\n")
        print_engine_status(engine)
        assert "engine.needs_backout()" in capsys.readouterr().out


class TestTestHelpers:
    def test_get_crawler(self) -> None:
        class Mine(Spider):
            name = "mine"

        crawler = get_crawler(Mine, {"A": 1})
        assert crawler.spidercls is Mine
        assert type(crawler.spider) is Mine
        assert crawler.settings["A"] == 1
        assert crawler.stats.get_stats() == {}
        assert get_crawler().spidercls.name == "default"

    def test_spider_that_needs_arguments(self) -> None:
        class Demanding(Spider):
            name = "demanding"

            def __init__(self, demanded: Any, **kwargs: Any) -> None:
                super().__init__(**kwargs)

        assert get_crawler(Demanding).spider is None

    def test_signals_work(self) -> None:
        crawler = get_crawler()
        seen: list[Any] = []

        def handler(request: Any) -> None:
            seen.append(request)

        crawler.signals.connect(handler, signals.request_scheduled)
        request = Request("http://a.example/")
        crawler.signals.send_catch_log(signals.request_scheduled, request=request, spider=crawler.spider)
        assert seen == [request]

    async def test_queue(self) -> None:
        assert await get_from_asyncio_queue(5) == 5

    def test_env(self) -> None:
        shown = subprocess.run(
            [sys.executable, "-c", "import raycrawl; print(raycrawl.__file__)"],
            capture_output=True, text=True, check=True, env=get_testenv(), cwd="/",
        )  # fmt: skip
        import raycrawl

        assert shown.stdout.strip() == raycrawl.__file__
        assert get_reactor_settings() == {}


def test_nothing_warns_on_import() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walk_modules("raycrawl.utils")
