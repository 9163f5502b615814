"""BaseSettings and Settings: priorities, typed getters, component dictionaries, copies and freezing."""

from __future__ import annotations

import pickle
import types
from typing import Any

import pytest

from raycrawl.settings import (
    SETTINGS_PRIORITIES,
    BaseSettings,
    Settings,
    SettingsAttribute,
    default_settings,
    get_settings_priority,
    overridden_settings,
)


class First:
    pass


class Second:
    pass


FIRST = f"{__name__}.First"
SECOND = f"{__name__}.Second"


def test_priorities_are_the_documented_ones() -> None:
    assert SETTINGS_PRIORITIES == {
        "default": 0, "command": 10, "addon": 15, "project": 20, "spider": 30, "cmdline": 40,
    }  # fmt: skip
    assert get_settings_priority("spider") == 30
    assert get_settings_priority(33) == 33
    with pytest.raises(KeyError):
        get_settings_priority("unheard of")


class TestAttribute:
    def test_takes_values_of_the_same_or_a_higher_priority(self) -> None:
        attribute = SettingsAttribute("value", 10)
        attribute.set("other", 10)
        assert (attribute.value, attribute.priority) == ("other", 10)
        attribute.set("more", 20)
        assert (attribute.value, attribute.priority) == ("more", 20)
        attribute.set("less", 0)
        assert (attribute.value, attribute.priority) == ("more", 20)

    def test_equality(self) -> None:
        assert SettingsAttribute("v", 10) == SettingsAttribute("v", 10)
        assert SettingsAttribute("v", 10) != SettingsAttribute("v", 20)
        assert SettingsAttribute("v", 10) != SettingsAttribute("w", 10)

    def test_repr_has_value_and_priority(self) -> None:
        assert repr(SettingsAttribute("v", 10)) == "<SettingsAttribute value='v' priority=10>"

    def test_dictionary_value_keeps_entry_priorities(self) -> None:
        attribute = SettingsAttribute(BaseSettings({"a": 1}, "spider"), 0)
        assert attribute.priority == 30
        attribute.set({"b": 2}, 40)
        assert isinstance(attribute.value, BaseSettings)
        assert attribute.value.getpriority("b") == 40


class TestMapping:
    def test_missing_name_is_none(self) -> None:
        assert BaseSettings()["MISSING"] is None
        assert BaseSettings().get("MISSING", 3) == 3

    def test_get_gives_the_default_for_none(self) -> None:
        assert BaseSettings({"A": None}).get("A", 3) == 3

    def test_is_a_mutable_mapping(self) -> None:
        settings = BaseSettings({"A": 1})
        settings["B"] = 2
        assert dict(settings) == {"A": 1, "B": 2}
        assert len(settings) == 2
        assert "A" in settings
        del settings["A"]
        assert "A" not in settings
        assert settings == {"B": 2}

    def test_delitem_of_a_missing_name(self) -> None:
        with pytest.raises(KeyError):
            del BaseSettings()["A"]

    def test_setitem_has_project_priority(self) -> None:
        settings = BaseSettings()
        settings["A"] = 1
        assert settings.getpriority("A") == 20

    def test_pop(self) -> None:
        settings = BaseSettings({"A": 1})
        assert settings.pop("A") == 1
        assert settings.pop("A", None) is None
        with pytest.raises(KeyError):
            settings.pop("A")
        assert settings.pop("A", default=3) == 3

    def test_values_as_json(self) -> None:
        assert dict(BaseSettings('{"A": 1}', "spider")) == {"A": 1}
        with pytest.raises(ValueError, match="JSON"):
            BaseSettings("not json")
        with pytest.raises(ValueError, match="JSON object"):
            BaseSettings("[1]")


class TestSet:
    def test_lower_priority_does_not_replace(self) -> None:
        settings = BaseSettings()
        settings.set("A", 1, "spider")
        settings.set("A", 2, "project")
        assert settings["A"] == 1
        settings.set("A", 3, "spider")
        assert settings["A"] == 3
        settings.set("A", 4, 50)
        assert (settings["A"], settings.getpriority("A")) == (4, 50)

    def test_attribute_brings_its_own_priority(self) -> None:
        settings = BaseSettings()
        settings.set("A", SettingsAttribute(1, 30), 10)
        assert settings.getpriority("A") == 30
        settings.set("A", SettingsAttribute(2, 20), 50)
        assert settings["A"] == 1

    def test_given_attribute_is_not_shared(self) -> None:
        attribute = SettingsAttribute(1, 20)
        one, two = BaseSettings(), BaseSettings()
        one.set("A", attribute)
        two.set("A", attribute)
        one.set("A", 5)
        assert two["A"] == 1

    def test_setdefault(self) -> None:
        settings = BaseSettings({"A": 1})
        assert settings.setdefault("A", 2) == 1
        assert settings.setdefault("B", 2, priority="addon") == 2
        assert settings.getpriority("B") == 15

    def test_setdict_and_update(self) -> None:
        settings = BaseSettings({"A": 1}, "spider")
        settings.setdict({"A": 2, "B": 2}, "project")
        assert dict(settings) == {"A": 1, "B": 2}
        settings.update({"A": 3}, "cmdline")
        assert settings["A"] == 3
        settings.update(None)
        settings.update([("D", 5)])  # type: ignore[arg-type]
        assert settings["D"] == 5
        with pytest.raises(TypeError):
            settings.update(5)  # type: ignore[arg-type]
        settings.update('{"C": 4}')
        assert settings["C"] == 4

    def test_update_with_settings_keeps_their_priorities(self) -> None:
        settings = BaseSettings({"A": 1}, "project")
        other = BaseSettings()
        other.set("A", 2, "default")
        other.set("B", 2, "cmdline")
        settings.update(other)
        assert settings["A"] == 1
        assert settings.getpriority("B") == 40

    def test_setmodule_takes_upper_case_names(self) -> None:
        module = types.ModuleType("m")
        module.UPPER, module.lower, module.Mixed_Case, module.WITH_1 = 1, 2, 3, 4  # type: ignore[attr-defined]
        settings = BaseSettings()
        settings.setmodule(module, 10)
        assert dict(settings) == {"UPPER": 1, "WITH_1": 4}
        assert settings.getpriority("UPPER") == 10

    def test_setmodule_by_path(self) -> None:
        settings = BaseSettings()
        settings.setmodule("raycrawl.settings.default_settings")
        assert settings["RETRY_TIMES"] == 2

    def test_delete(self) -> None:
        settings = BaseSettings({"A": 1}, "spider")
        settings.delete("A", "project")
        assert "A" in settings
        settings.delete("A", "spider")
        assert "A" not in settings
        with pytest.raises(KeyError):
            settings.delete("A")

    def test_maxpriority(self) -> None:
        assert BaseSettings().maxpriority() == 0
        settings = BaseSettings({"A": 1}, 10)
        settings.set("B", 1, 99)
        assert settings.maxpriority() == 99
        assert settings.getpriority("missing") is None


class TestGetters:
    @pytest.mark.parametrize("value", [1, "1", True, "True", "true"])
    def test_true(self, value: object) -> None:
        assert BaseSettings({"A": value}).getbool("A") is True

    @pytest.mark.parametrize("value", [0, "0", False, "False", "false", None])
    def test_false(self, value: object) -> None:
        assert BaseSettings({"A": value}).getbool("A") is False

    def test_bool_default_and_error(self) -> None:
        assert BaseSettings().getbool("A", True) is True
        with pytest.raises(ValueError, match="A='notabool'"):
            BaseSettings({"A": "notabool"}).getbool("A")

    def test_numbers(self) -> None:
        settings = BaseSettings({"I": "42", "F": "1.5", "BAD": "x"})
        assert settings.getint("I") == 42
        assert settings.getint("MISSING") == 0
        assert settings.getint("MISSING", 5) == 5
        assert settings.getfloat("F") == 1.5
        assert settings.getfloat("MISSING") == 0.0
        assert settings.getfloat("MISSING", 5.5) == 5.5
        with pytest.raises(ValueError, match="BAD='x'"):
            settings.getint("BAD")
        with pytest.raises(ValueError, match="BAD='x'"):
            settings.getfloat("BAD")

    def test_list(self) -> None:
        given = ["a", "b"]
        settings = BaseSettings({"L": given, "S": "one,two", "E": "", "T": (1, 2), "J": '["a,b", 1]', "B": "[a],[b]"})
        assert settings.getlist("J") == ["a,b", 1]
        assert settings.getlist("B") == ["[a]", "[b]"]
        assert settings.getlist("L") == given
        assert settings.getlist("L") is not given
        assert settings.getlist("S") == ["one", "two"]
        assert settings.getlist("E") == []
        assert settings.getlist("T") == [1, 2]
        assert settings.getlist("MISSING") == []
        assert settings.getlist("MISSING", ["x"]) == ["x"]

    def test_dict(self) -> None:
        given = {"a": 1}
        settings = BaseSettings({"D": given, "S": '{"a": 1}', "BAD": 3, "L": "[1]", "N": "{"})
        assert settings.getdict("D") == given
        assert settings.getdict("D") is not given
        assert settings.getdict("S") == {"a": 1}
        assert settings.getdict("MISSING") == {}
        assert settings.getdict("MISSING", {"x": 1}) == {"x": 1}
        assert BaseSettings({"P": [("a", 1)]}).getdict("P") == {"a": 1}
        for name in ("BAD", "L", "N"):
            with pytest.raises((TypeError, ValueError), match=name):
                settings.getdict(name)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, {}),
            ("", [""]),
            ("a,b", ["a", "b"]),
            ("a", ["a"]),
            ('{"a": "b"}', {"a": "b"}),
            ('["a", "b"]', ["a", "b"]),
            (["a"], ["a"]),
            (("a", "b"), ["a", "b"]),
            ({"a": 1}, {"a": 1}),
            ("5", ["5"]),
        ],
    )
    def test_dict_or_list(self, value: object, expected: object) -> None:
        assert BaseSettings({"A": value}).getdictorlist("A") == expected

    def test_dict_or_list_default_error_and_copy(self) -> None:
        assert BaseSettings().getdictorlist("A", ["x"]) == ["x"]
        with pytest.raises(ValueError, match="A=5"):
            BaseSettings({"A": 5}).getdictorlist("A")
        inner = {"a": [1]}
        found = BaseSettings({"A": inner}).getdictorlist("A")
        assert isinstance(found, dict)
        found["a"].append(2)
        assert inner == {"a": [1]}


class TestComponents:
    def test_with_base_merges(self) -> None:
        settings = BaseSettings({"X_BASE": {"a": 1, "b": 2}, "X": {"b": None, "c": 3}})
        assert dict(settings.getwithbase("X")) == {"a": 1, "b": None, "c": 3}
        assert dict(settings.getwithbase("MISSING")) == {}

    def test_class_and_path_are_one_component(self) -> None:
        settings = BaseSettings({"X_BASE": {FIRST: 1}, "X": {First: 5}})
        assert dict(settings.get_component_priority_dict_with_base("X")) == {FIRST: 5}

    def test_scrapy_path_stands_for_ours(self) -> None:
        settings = Settings({"EXTENSIONS": {"scrapy.extensions.logstats.LogStats": None}})
        merged = settings.getwithbase("EXTENSIONS")
        assert merged["raycrawl.extensions.logstats.LogStats"] is None
        assert "scrapy.extensions.logstats.LogStats" not in merged

    def test_component_dictionary_leaves_out_what_is_switched_off(self) -> None:
        settings = BaseSettings({"X_BASE": {"a": 1, "b": 2}, "X": {"a": None, "c": None}})
        assert dict(settings.get_component_priority_dict_with_base("X")) == {"b": 2}

    def test_unloadable_path_stays_a_name(self) -> None:
        settings = BaseSettings({"X_BASE": {"no.such.Module": 1}, "X": {"no.such.Module": None}})
        assert dict(settings.getwithbase("X")) == {"no.such.Module": None}

    def test_result_is_no_part_of_the_settings(self) -> None:
        settings = BaseSettings({"X_BASE": {"a": 1}, "X": {}})
        settings.getwithbase("X")["a"] = 5
        assert settings.getwithbase("X")["a"] == 1

    @pytest.mark.parametrize(
        ("before", "priority", "after"),
        [
            ({First: 1}, None, {Second: 1}),
            ({First: 1}, 7, {Second: 7}),
            ({FIRST: 1}, None, {Second: 1}),
            ({FIRST: 1, First: 1}, None, {Second: 1}),
            ({"x.y": 1, First: 2}, None, {"x.y": 1, Second: 2}),
        ],
    )
    def test_replace(self, before: dict[object, int], priority: int | None, after: dict[object, int]) -> None:
        settings = BaseSettings({"X": before}, "cmdline")
        settings.replace_in_component_priority_dict("X", First, Second, priority)
        assert settings.getdict("X") == after
        assert settings.getpriority("X") == 40

    @pytest.mark.parametrize("before", [{}, {"x.y": 1}, {First: None}, {FIRST: None}])
    def test_replace_of_what_is_not_there(self, before: dict[object, int]) -> None:
        with pytest.raises(KeyError):
            BaseSettings({"X": before}).replace_in_component_priority_dict("X", First, Second)

    @pytest.mark.parametrize("before", [{}, {First: 1}, {FIRST: 1}, {FIRST: 1, First: 3}])
    def test_set(self, before: dict[object, int]) -> None:
        settings = BaseSettings({"X": before}, "cmdline")
        settings.set_in_component_priority_dict("X", First, 9)
        assert settings.getdict("X") == {First: 9}
        assert settings.getpriority("X") == 40

    def test_set_in_a_missing_setting(self) -> None:
        settings = BaseSettings()
        settings.set_in_component_priority_dict("X", First, 9)
        assert settings.getdict("X") == {First: 9}
        assert settings.getpriority("X") == 20

    @pytest.mark.parametrize("before", [{First: 1}, {FIRST: 1}, {FIRST: None}])
    def test_setdefault_leaves_what_is_there(self, before: dict[object, int | None]) -> None:
        settings = BaseSettings({"X": before})
        settings.setdefault_in_component_priority_dict("X", First, 9)
        assert settings.getdict("X") == before

    def test_setdefault_adds(self) -> None:
        settings = BaseSettings({"X": {SECOND: 1}}, "cmdline")
        settings.setdefault_in_component_priority_dict("X", First, 9)
        assert settings.getdict("X") == {SECOND: 1, First: 9}
        assert settings.getpriority("X") == 40


class TestLists:
    def test_add(self) -> None:
        settings = BaseSettings({"L": ["a"], "S": "a,b"}, "cmdline")
        settings.add_to_list("L", "b")
        settings.add_to_list("L", "b")
        settings.add_to_list("S", "c")
        settings.add_to_list("NEW", "x")
        assert settings.getlist("L") == ["a", "b"]
        assert settings.getlist("S") == ["a", "b", "c"]
        assert settings.getlist("NEW") == ["x"]
        assert settings.getpriority("L") == 40
        assert settings.getpriority("NEW") == 20

    def test_add_leaves_the_given_list_alone(self) -> None:
        given = ["a"]
        settings = BaseSettings({"L": given})
        settings.add_to_list("L", "b")
        assert given == ["a"]

    def test_remove(self) -> None:
        settings = BaseSettings({"L": ["a", "b"], "S": "a,b"}, "default")
        settings.remove_from_list("L", "a")
        settings.remove_from_list("S", "b")
        assert settings.getlist("L") == ["b"]
        assert settings.getlist("S") == ["a"]
        assert settings.getpriority("L") == 0
        with pytest.raises(ValueError, match="'z' is not in L"):
            settings.remove_from_list("L", "z")


class TestCopies:
    def test_copy_is_deep(self) -> None:
        settings = BaseSettings({"L": ["a"], "D": BaseSettings({"x": 1})}, "spider")
        other = settings.copy()
        other["L"].append("b")
        other["D"].set("x", 2, 50)
        assert settings["L"] == ["a"]
        assert settings["D"]["x"] == 1
        assert other.getpriority("L") == 30

    def test_frozen_settings_refuse_every_change(self) -> None:
        settings = BaseSettings({"A": 1, "L": ["a"], "X": {First: 1}})
        settings.freeze()
        assert settings.frozen
        changes: list[Any] = [
            lambda: settings.set("A", 2),
            lambda: settings.update({"A": 2}),
            lambda: settings.setdict({"A": 2}),
            lambda: settings.setmodule(default_settings),
            lambda: settings.setdefault("NEW", 2),
            lambda: settings.delete("A"),
            lambda: settings.pop("A"),
            lambda: settings.add_to_list("L", "b"),
            lambda: settings.remove_from_list("L", "a"),
            lambda: settings.set_in_component_priority_dict("X", Second, 1),
            lambda: settings.setdefault_in_component_priority_dict("X", Second, 1),
            lambda: settings.replace_in_component_priority_dict("X", First, Second),
            lambda: settings.__setitem__("A", 2),
            lambda: settings.__delitem__("A"),
        ]
        for change in changes:
            with pytest.raises(TypeError, match="frozen"):
                change()
        assert settings["A"] == 1

    def test_frozencopy(self) -> None:
        settings = BaseSettings({"A": 1})
        frozen = settings.frozencopy()
        assert frozen.frozen
        assert not settings.frozen
        assert frozen == settings
        assert frozen is not settings

    def test_copy_of_frozen_settings_is_frozen(self) -> None:
        settings = BaseSettings({"A": 1})
        settings.freeze()
        assert settings.copy().frozen
        assert not BaseSettings().copy().frozen

    def test_copy_to_dict(self) -> None:
        components: Any = {First: 1, "x": 2}
        settings = BaseSettings({"A": [1], "D": BaseSettings(components)})
        found = settings.copy_to_dict()
        assert found == {"A": [1], "D": {FIRST: 1, "x": 2}}
        found["A"].append(2)
        assert settings["A"] == [1]

    def test_pickle(self) -> None:
        settings = Settings({"A": First, "EXTENSIONS": {First: 1}}, "spider")
        other = pickle.loads(pickle.dumps(settings))
        assert other == settings
        assert other.getpriority("A") == 30


class TestSettings:
    def test_has_defaults_at_default_priority(self) -> None:
        settings = Settings()
        assert settings["RETRY_TIMES"] == default_settings.RETRY_TIMES == 2
        assert settings.getpriority("RETRY_TIMES") == 0

    def test_values_replace_defaults(self) -> None:
        settings = Settings({"RETRY_TIMES": 5})
        assert settings["RETRY_TIMES"] == 5
        assert settings.getpriority("RETRY_TIMES") == 20

    def test_default_dictionaries_have_entry_priorities(self) -> None:
        settings = Settings()
        assert isinstance(settings["DEFAULT_REQUEST_HEADERS"], BaseSettings)
        assert settings["DEFAULT_REQUEST_HEADERS"].getpriority("Accept-Language") == 0
        settings.set("DEFAULT_REQUEST_HEADERS", {"Accept-Language": "de"})
        assert dict(settings["DEFAULT_REQUEST_HEADERS"]) == {"Accept-Language": "de"}

    def test_dictionary_as_json_text(self) -> None:
        settings = Settings()
        settings.set("ITEM_PIPELINES", '{"a.b": 300}', "cmdline")
        assert dict(settings["ITEM_PIPELINES"]) == {"a.b": 300}
        with pytest.raises(ValueError, match="ITEM_PIPELINES"):
            settings.set("ITEM_PIPELINES", "{oops", "cmdline")

    def test_one_crawls_settings_leave_the_defaults_alone(self) -> None:
        settings = Settings()
        settings["DEFAULT_REQUEST_HEADERS"]["X"] = "y"
        assert "X" not in default_settings.DEFAULT_REQUEST_HEADERS
        assert "X" not in Settings()["DEFAULT_REQUEST_HEADERS"]

    def test_overridden(self) -> None:
        assert overridden_settings(Settings()) == {}
        assert overridden_settings(Settings({"RETRY_TIMES": 9, "RETRY_ENABLED": True, "MINE": 1})) == {"RETRY_TIMES": 9}

    def test_the_defaults_that_differ_from_scrapys(self) -> None:
        settings = Settings()
        assert settings.getbool("ROBOTSTXT_OBEY") is True
        assert settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES") is True
        assert settings.getint("CONCURRENT_REQUESTS") == 64
        assert settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN") == 8
        assert settings.getint("DOWNLOAD_MAXSIZE") == 128 * 2**20
        assert "raycrawl" in settings["USER_AGENT"]
        assert not [name for name in settings if name.startswith(("TELNETCONSOLE", "REMOTE_CONTROL"))]
        assert not [path for path in settings["EXTENSIONS_BASE"] if "telnet" in path or "remote" in path]
