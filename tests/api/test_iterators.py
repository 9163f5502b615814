"""``raycrawl.utils.iterators``, ``.gz`` and ``.sitemap``."""

from __future__ import annotations

import csv
import gzip
import logging
from typing import Any

import pytest
from lxml import etree

from raycrawl.http import Response, TextResponse, XmlResponse
from raycrawl.utils.gz import DecompressionMaxSizeExceeded, gunzip, gzip_magic_number
from raycrawl.utils.iterators import csviter, xmliter_lxml
from raycrawl.utils.sitemap import Sitemap, sitemap_urls_from_robots

PRODUCTS = """<?xml version="1.0"?>
<products xmlns:g="http://g"><product id="1"><name>A &amp; B</name><g:p>x</g:p></product>
tail<product id="2"><name>é</name></product></products>"""


def nodes(*args: Any, **kwargs: Any) -> list[str]:
    return [node.get() for node in xmliter_lxml(*args, **kwargs)]


@pytest.mark.parametrize(
    "document",
    [PRODUCTS, PRODUCTS.encode(), b" \n" + PRODUCTS.encode(), XmlResponse("http://e.com", body=PRODUCTS.encode())],
)
def test_xml_nodes(document: Any) -> None:
    found = list(xmliter_lxml(document, "product"))
    assert [node.type for node in found] == ["xml", "xml"]
    assert [node.xpath("@id").get() for node in found] == ["1", "2"]
    assert [node.xpath("name/text()").get() for node in found] == ["A & B", "é"]
    assert len(found[0].xpath("//name")) == 1


def test_xml_namespaces() -> None:
    feed = b'<rss xmlns:g="http://g"><item><g:id>1</g:id></item><g:item>z</g:item></rss>'
    (item,) = xmliter_lxml(feed, "item")
    item.register_namespace("g", "http://g")
    assert item.xpath("g:id/text()").get() == "1"
    assert nodes(feed, "item", "http://g", "g") == nodes(feed, "g:item") == ['<g:item xmlns:g="http://g">z</g:item>']
    assert nodes(feed, "h:item") == []
    atom = b'<feed xmlns="http://atom"><entry><id>1</id></entry></feed>'
    assert nodes(atom, "entry") == []
    (entry,) = xmliter_lxml(atom, "entry", "http://atom", "x")
    assert entry.xpath("x:id/text()").get() == "1"


def test_xml_encodings() -> None:
    turkish = '<?xml version="1.0" encoding="ISO-8859-9"?><x><item>ÖÇŞİĞÜ</item></x>'.encode("iso-8859-9")
    assert nodes(XmlResponse("http://e.com", body=turkish), "item") == nodes(turkish, "item") == ["<item>ÖÇŞİĞÜ</item>"]
    assert nodes("\ufeff<x><item>1</item></x>".encode(), "item") == ["<item>1</item>"]


def test_damaged_xml_is_read_as_far_as_possible(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert nodes(b"<a><item>1</item><item>2", "item")[0] == "<item>1</item>"
        assert nodes(b"<a><item>a & b</item><item>c</item></a>", "item")[1] == "<item>c</item>"
        assert nodes(b"", "item") == nodes(b"junk", "item") == []
    assert len(caplog.records) == 4
    with pytest.raises(TypeError, match="int"):
        nodes(42, "item")


def test_nested_nodes_and_entities() -> None:
    assert nodes(b"<a><item>1<item>2</item></item></a>", "item") == ["<item>2</item>", "<item>1<item>2</item></item>"]
    entity = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a><item>&x;</item></a>'
    assert nodes(entity, "item") == ["<item>&x;</item>"]


# -- CSV

CSV = 'id,name\n1,alpha\n2,é\n3,"multi\nline"\n'
ROWS = [{"id": "1", "name": "alpha"}, {"id": "2", "name": "é"}, {"id": "3", "name": "multi\nline"}]


@pytest.mark.parametrize(
    "document",
    [
        CSV,
        CSV.encode(),
        "\ufeff" + CSV,
        TextResponse("http://e.com", body=CSV.encode("latin-1"), encoding="latin-1"),
        Response("http://e.com", body=CSV.encode()),
        CSV.replace("\n", "\r\n").replace("multi\r\n", "multi\n"),
    ],
)
def test_csv_rows(document: Any) -> None:
    assert list(csviter(document)) == ROWS


def test_csv_options() -> None:
    assert list(csviter("a;b\n'x;y';2\n", delimiter=";", quotechar="'")) == [{"a": "x;y", "b": "2"}]
    assert list(csviter(b"1,2\n3,4\n", headers=["h", "i"])) == [{"h": "1", "i": "2"}, {"h": "3", "i": "4"}]
    assert list(csviter("a\né\n".encode("latin-1"), encoding="latin-1")) == [{"a": "é"}]
    assert list(csviter("")) == []
    with pytest.raises(TypeError, match="int"):
        list(csviter(3))  # type: ignore[arg-type]


def test_csv_rows_of_another_length_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(csviter("a,b\n1\n1,2,3\n5,6\n")) == [{"a": "5", "b": "6"}]
    assert [record.getMessage() for record in caplog.records] == [
        "ignoring row 2 (length: 1, should be: 2)", "ignoring row 3 (length: 3, should be: 2)",
    ]  # fmt: skip


def test_csv_fields_that_are_too_long(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(csviter(f"a,b\n1,{'x' * (csv.field_size_limit() + 1)}\n3,4\n"))[-1] == {"a": "3", "b": "4"}
    assert "field larger than field limit" in caplog.text


# -- gzip

DATA = b"hello, " * 1000
GZ = gzip.compress(DATA)


def test_gunzip() -> None:
    assert gunzip(GZ) == DATA
    assert gunzip(GZ + GZ) == DATA * 2
    assert gunzip(GZ + b"junk behind") == DATA
    assert gunzip(GZ + b"\x00" * 9) == DATA
    assert gunzip(b"") == b""
    assert gunzip(gzip.compress(b"")) == b""
    big = bytes(range(256)) * 5000
    assert gunzip(gzip.compress(big)) == big


def test_gunzip_of_damaged_files() -> None:
    assert DATA.startswith(gunzip(GZ[:-10]))
    assert gunzip(GZ[:-10])
    assert gunzip(GZ[:-8] + b"12345678") == DATA  # a wrong checksum
    with pytest.raises(EOFError):
        gunzip(GZ[:12])
    with pytest.raises(gzip.BadGzipFile):
        gunzip(b"no gzip")


def test_gunzip_within_a_limit() -> None:
    bomb = gzip.compress(b"\x00" * 10_000_000)
    assert gunzip(GZ, max_size=len(DATA)) == DATA
    for data, limit in ((GZ, len(DATA) - 1), (bomb, 100_000), (GZ + GZ, len(DATA) + 1)):
        with pytest.raises(DecompressionMaxSizeExceeded, match=str(limit)):
            gunzip(data, max_size=limit)


def test_the_magic_number() -> None:
    assert gzip_magic_number(Response("http://e.com", body=GZ))
    assert not gzip_magic_number(Response("http://e.com", body=b"\x1f\x8b"))


# -- sitemaps

SITEMAP = b"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><loc> http://e.com/ </loc><lastmod>2009-08-16</lastmod><priority>1</priority>
<xhtml:link rel="alternate" hreflang="de" href="http://e.com/de"/><xhtml:link rel="alternate" href="http://e.com/fr"/></url>
<!-- <url><loc>http://e.com/comment</loc></url> --><url><lastmod>x</lastmod></url><url><loc><![CDATA[http://e.com?a&b]]></loc></url>
</urlset>"""


def test_sitemap() -> None:
    sitemap = Sitemap(SITEMAP)
    assert sitemap.type == "urlset"
    expected = [
        {
            "loc": "http://e.com/",
            "lastmod": "2009-08-16",
            "priority": "1",
            "alternate": ["http://e.com/de", "http://e.com/fr"],
        },
        {"loc": "http://e.com?a&b"},
    ]
    assert list(sitemap) == expected
    assert list(Sitemap(b"\n  " + SITEMAP)) == expected


def test_sitemap_index() -> None:
    index = Sitemap("<sitemapindex><sitemap><loc>http://e.com/1.xml</loc></sitemap></sitemapindex>")
    assert (index.type, list(index)) == ("sitemapindex", [{"loc": "http://e.com/1.xml"}])


def test_odd_sitemaps() -> None:
    assert [entry["loc"] for entry in Sitemap(b"<urlset><url><loc>a</loc></url><url><loc>b")] == ["a", "b"]
    assert list(Sitemap(b'<x:urlset xmlns:x="http://o"><x:url><x:loc>a</x:loc></x:url></x:urlset>')) == [{"loc": "a"}]
    assert Sitemap(b"<rss><channel/></rss>").type == "rss"
    entity = b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/hostname">]><urlset><url><loc>http://e.com/&x;</loc></url></urlset>'
    assert list(Sitemap(entity)) == [{"loc": "http://e.com/"}]
    for nothing in (b"", b"junk"):
        with pytest.raises(etree.XMLSyntaxError):
            Sitemap(nothing)


def test_sitemaps_of_a_robots_txt() -> None:
    robots = (
        "# c\nSitemap: http://e.com/1.xml\r\nsitemap:   /2.xml  # why\n SITEMAP : http://e.com/3.xml\n"
        "Disallow: Sitemap: x\nSitemap:\n"
    )
    expected = ["http://e.com/1.xml", "/2.xml", "http://e.com/3.xml"]
    assert list(sitemap_urls_from_robots(robots)) == expected
    assert list(sitemap_urls_from_robots(robots.encode(), base_url="http://e.com/robots.txt")) == [
        "http://e.com/1.xml", "http://e.com/2.xml", "http://e.com/3.xml",
    ]  # fmt: skip
