"""``ItemLoader``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from itemadapter import ItemAdapter

from raycrawl.http import HtmlResponse, JsonResponse, Response
from raycrawl.item import Field, Item
from raycrawl.loader import ItemLoader
from raycrawl.loader.processors import Compose, Identity, Join, MapCompose, SelectJmes, TakeFirst
from raycrawl.selector import Selector

RESPONSE = HtmlResponse(
    "http://e.com/", body=b'<div id="id">marta</div><p>paragraph</p><a href="http://e.com">link</a><img src="/i.png">'
)


class Product(Item):
    name = Field()
    price = Field()
    tags = Field(input_processor=MapCompose(str.strip), output_processor=Join("|"))


class ProductLoader(ItemLoader):
    default_item_class = Product
    default_output_processor = TakeFirst()
    name_in = MapCompose(str.title)


def test_values_go_through_the_processors() -> None:
    loader = ProductLoader()
    loader.add_value("name", "marta k.")
    loader.add_value("tags", [" a", "b "])
    loader.add_value("price", ["1", "2"])
    assert loader.get_collected_values("name") == ["Marta K."]
    assert loader.get_output_value("name") == "Marta K."
    item = loader.load_item()
    assert type(item) is Product
    assert item == {"name": "Marta K.", "tags": "a|b", "price": "1"}


def test_add_and_replace_by_selector() -> None:
    loader = ItemLoader(item={}, response=RESPONSE)
    loader.add_css("name", "#id::text")
    loader.add_xpath("name", "//p/text()")
    loader.add_css("url", "a::attr(href)", re="http://(.+)")
    assert loader.load_item() == {"name": ["marta", "paragraph"], "url": ["e.com"]}
    loader.replace_xpath("name", "//p/text()", MapCompose(str.upper))
    loader.replace_css("url", "img::attr(src)")
    assert loader.load_item() == {"name": ["PARAGRAPH"], "url": ["/i.png"]}
    loader.replace_value("name", "x")
    assert loader.get_output_value("name") == ["x"]
    assert loader.get_css("p::text", TakeFirst()) == "paragraph"
    assert loader.get_xpath("//p/text()", TakeFirst(), str.upper) == "PARAGRAPH"
    assert loader.get_value("name: foo", TakeFirst(), str.upper, re="name: (.+)") == "FOO"


def test_json() -> None:
    response = JsonResponse("http://e.com", body=b'{"name": "n", "offers": [{"p": 1}, {"p": 2}]}')
    loader = ItemLoader(item={}, response=response)
    loader.add_jmes("name", "name")
    loader.add_jmes("prices", "offers[].p")
    loader.replace_jmes("name", "name", MapCompose(str.upper))
    assert loader.get_jmes("name") == ["n"]
    assert loader.load_item() == {"name": ["N"], "prices": [1, 2]}


def test_nested_loaders_share_the_item() -> None:
    loader = ItemLoader(item={}, selector=Selector(text='<header><a class="s" href="f">fb</a></header>'), color="red")
    nested = loader.nested_xpath("//header/a[@class='s']")
    nested.add_xpath("social", "@href")
    inner = loader.nested_css("header").nested_css("a")
    inner.add_css("social", "::text")
    assert nested.item is loader.item
    assert nested.context["color"] == "red"
    assert loader.load_item() == {"social": ["f", "fb"]}


def test_selector_and_response() -> None:
    loader = ItemLoader(response=RESPONSE)
    assert isinstance(loader.selector, Selector)
    assert loader.context["response"] is RESPONSE
    assert loader.context["selector"] is loader.selector
    selector = RESPONSE.css("p")[0]
    assert ItemLoader(selector=selector, response=RESPONSE).selector is selector
    without = ItemLoader(item={}, response=Response("http://e.com", body=b"\x00"))
    without.add_value("name", "x")
    assert without.load_item() == {"name": ["x"]}
    for loader in (without, ItemLoader()):
        with pytest.raises(RuntimeError, match="selector"):
            loader.add_css("name", "p")
    assert isinstance(ItemLoader().item, Item)


def test_existing_values_stay() -> None:
    loader = ItemLoader(item={"name": "a"})
    loader.add_value("name", "b")
    assert loader.load_item() == {"name": ["a", "b"]}
    assert ProductLoader(item=Product(name="kept")).load_item() == {"name": "kept"}


def test_context_reaches_processors() -> None:
    def length(text: str, loader_context: dict[str, Any]) -> str:
        return f"{text} {loader_context['unit']}"

    loader = ItemLoader(item={}, unit="cm")
    loader.add_value("length", "5", MapCompose(length))
    loader.context["unit"] = "m"
    loader.add_value("length", "5", MapCompose(length))
    del loader.context["unit"]
    loader.add_value("length", "5", MapCompose(length, unit="km"))
    assert loader.load_item() == {"length": ["5 cm", "5 m", "5 km"]}


def test_processors_of_class_and_field() -> None:
    loader = ProductLoader()
    assert isinstance(loader.get_input_processor("name"), MapCompose)
    assert isinstance(loader.get_input_processor("price"), Identity)
    assert isinstance(loader.get_output_processor("tags"), Join)
    assert isinstance(loader.get_output_processor("name"), TakeFirst)


def test_several_fields_at_once_and_chaining() -> None:
    loader = ItemLoader(item={})
    loader.add_value(None, {"a": 1, "b": [2, 3]}).add_value("c", 4)
    assert loader.load_item() == {"a": [1], "b": [2, 3], "c": [4]}
    loader.replace_value(None, {"a": 9})
    assert loader.get_collected_values("a") == [9]


def test_dataclass_items() -> None:
    @dataclass
    class Data:
        name: str | None = None

    loader = ItemLoader(item=Data())
    loader.default_output_processor = TakeFirst()  # type: ignore[method-assign]
    loader.add_value("name", "x")
    assert ItemAdapter(loader.load_item()).asdict() == {"name": "x"}


def test_unknown_fields() -> None:
    loader = ProductLoader()
    with pytest.raises(KeyError, match="nope"):
        loader.add_value("nope", "x")


def fail(value: Any) -> Any:
    raise RuntimeError("broken")


class FailingLoader(ItemLoader):
    default_item_class = dict
    bad_in = MapCompose(fail)
    worse_out = Compose(fail)


def test_errors_name_the_field_and_the_processor() -> None:
    loader = FailingLoader()
    with pytest.raises(ValueError, match=r"MapCompose.*field='bad'.*broken"):
        loader.add_value("bad", "x")
    with pytest.raises(ValueError, match=r"field='name'.*MapCompose.*broken"):
        loader.add_value("name", "x", MapCompose(fail))
    with pytest.raises(ValueError, match=r"field='name'.*MapCompose.*broken"):
        loader.replace_value("name", "x", MapCompose(fail))
    loader.add_value("worse", "x")
    with pytest.raises(ValueError, match=r"field='worse'.*broken.*Compose"):
        loader.load_item()


def test_processors() -> None:
    assert SelectJmes("a.b")({"a": {"b": 3}}) == 3
    assert Compose(lambda values: values[0], str.upper)(["x", "y"]) == "X"
    assert TakeFirst()([None, "", 0]) == 0
    assert Join(", ")(["a", "b"]) == "a, b"
    assert MapCompose(lambda value: None if value == "x" else value, str.upper)(["x", "y"]) == ["Y"]
