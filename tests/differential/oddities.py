"""The harder pages: redirects, errors, encodings, feeds, caching, odd links and forms, robots.txt, sitemaps."""

# ruff: noqa: E501  (HTML in one line reads better than HTML in pieces)

from __future__ import annotations

import base64
import gzip
import zlib
from html import escape

import brotli

from raycrawl.testing import SiteRequest, SiteResponse
from raycrawl.testing.server import Ending
from tests.differential.pages import Visits, as_json, page


def redirect(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/redirect/chain/N, /redirect/loop, /redirect/away, /redirect/code/C, /redirect/nowhere, /redirect/bad"""
    port = request.headers["host"].rpartition(":")[2]
    if rest[0] == "chain":
        left = int(rest[1])
        code = (301, 302, 303, 307, 308)[left % 5]
        return SiteResponse(
            status=code, headers=[("Location", f"../chain/{left - 1}" if left > 1 else "/headers?chained")]
        )
    if rest[0] == "code":
        return SiteResponse(status=int(rest[1]), headers=[("Location", "/echo?after=" + rest[1])])
    place = {
        "loop": "/redirect/loop",
        "away": f"http://127.0.0.2:{port}/headers?away",
        "bad": "mailto:me@example.com",
        "space": "/headers?a b=c d&é=ü",
        "utf8": "/headers/é?é=ü".encode().decode("latin-1"),
        "fragment": "/headers?x#part",
        "scheme": f"//127.0.0.1:{port}/headers?scheme",
        "forbidden": "/private/secret",
        "empty": "",
    }.get(rest[0])
    return SiteResponse(status=302, headers=[] if place is None else [("Location", place)], body=b"<p>moved</p>")


def refresh(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    content = {
        "zero": "0; url=/headers?refreshed",
        "quoted": "1;URL='/headers?quoted'",
        "late": "500; url=/headers?late",
        "self": "5",
        "loop": "0; url=/refresh/loop",
    }[rest[0]]
    return SiteResponse(
        body=f'<html><head><meta http-equiv="refresh" content="{content}"></head><p>{rest[0]}</p>'.encode()
    )


def status(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page(f"<p>status {rest[0]}</p>", rest[0], status=int(rest[0]))


def flaky(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/flaky/CODE/N: that status N times, then 200. /flaky/reset/N: the connection ends"""
    visits.counts[request.target] += 1
    if visits.counts[request.target] > int(rest[1]):
        return page(f"<p>fine after {rest[1]}</p>", "fine")
    if rest[0] == "reset":
        return SiteResponse(raw_head=b"", ending=Ending.RESET)
    if rest[0] == "short":
        return SiteResponse(body=b"<p>short</p>", promised_nbytes=500, ending=Ending.CLOSE)
    return page("not yet", status=int(rest[0]), headers=(("Retry-After", "1"),) if rest[0] == "503" else ())


def encoded(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    text = b"<html><title>compressed</title><p>" + b"squeeze me " * 200 + b"</p></html>"
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": ("gzip", gzip.compress(text, mtime=0)),
        "x-gzip": ("x-gzip", gzip.compress(text, mtime=0)),
        "br": ("br", brotli.compress(text)),
        "deflate": ("deflate", zlib.compress(text)),
        "rawdeflate": ("deflate", raw.compress(text) + raw.flush()),
        "identity": ("identity", text),
        "lying": ("gzip", text),
        "unknown": ("snappy", text),
    }[rest[0]]
    return SiteResponse(body=packed[1], headers=[("Content-Encoding", packed[0])])


CHARSETS: dict[str, tuple[str, bytes]] = {
    "latin1": ("text/html; charset=iso-8859-1", "<title>Café £5</title>".encode("latin-1")),
    "cp1251": ("text/html; charset=windows-1251", "<title>Привет</title>".encode("cp1251")),
    "meta-sjis": ("text/html", '<meta charset="shift_jis"><title>日本語</title>'.encode("shift_jis")),
    "meta-gb": (
        "text/html",
        '<meta http-equiv="Content-Type" content="text/html; charset=gb2312"><title>中文</title>'.encode("gb2312"),
    ),
    "bom8": ("text/html", b"\xef\xbb\xbf<title>d\xc3\xa9j\xc3\xa0</title>"),
    "bom16": ("text/html", "\ufeff<title>déjà</title>".encode("utf-16-le")),
    "none-utf8": ("text/html", "<title>naïve – “ja”</title>".encode()),
    "smart": ("text/html; charset=iso-8859-1", b"<title>\x93quotes\x94 \x80</title>"),
    "wrong": ("text/html; charset=no-such-thing", "<title>ça</title>".encode()),
    "broken": ("text/html; charset=utf-8", b"<title>a\xffb \xe2\x82 c</title>"),
    "xml": (
        "application/xml",
        "<?xml version='1.0' encoding='iso-8859-15'?><r><title>10 €</title></r>".encode("iso-8859-15"),
    ),
    "sniff": ("", b"<html><title>no type</title></html>"),
    "plain": ("text/plain; charset=utf-8", "just tëxt".encode()),
    "xhtml": (
        "application/xhtml+xml",
        b"<html xmlns='http://www.w3.org/1999/xhtml'><head><title>xh</title></head></html>",
    ),
    "jsontype": ("application/vnd.api+json", b'{"title": "j"}'),
    "octet": ("application/octet-stream", b"\x00\x01\x02binary"),
    "nul": ("text/html", b"<title>a\x00b</title>"),
}


def charset(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    kind, body = CHARSETS[rest[0]]
    return SiteResponse(body=body, content_type=kind)


def feed(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "rss.xml":
        nodes = "".join(
            f"<item><title>News {i} &amp; more</title><link>/quotes/page/{i}/</link><media:thumb url='/media/{i % 3}.png'/>"
            f"<description><![CDATA[<b>bold {i}</b>]]></description></item>"
            for i in range(1, 5)
        )
        text = f"<?xml version='1.0' encoding='UTF-8'?><rss xmlns:media='http://m.example/ns'><channel><title>T</title>{nodes}</channel></rss>"
        return SiteResponse(body=text.encode(), content_type="application/rss+xml")
    rows = ["id;name;price", "1;'Widget; large';9,50", "2;Gadget é;3", "3;short", "4;Nut;1;extra", "5;Bolt;2", ""]
    if rest[0] == "comma.csv":
        rows = ["id,name,price", '1,"Widget, large",9.50', '2,"Quote ""x""",3', "", "5,Bolt,2"]
    return SiteResponse(body="\r\n".join(rows).encode(), content_type="text/csv; charset=utf-8")


def calendar(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    month = int(request.query.get("m", "0"))
    links = f'<a rel="prev" href="/calendar?m={month - 1}">«</a><a rel="next" href="/calendar?m={month + 1}">»</a>'
    days = "".join(f'<a class="day" href="/calendar/day?d={month * 2 + i}">{i}</a>' for i in range(2))
    return (
        page(f"<h1>Month {month}</h1>{links}{days}", f"Month {month}")
        if not rest
        else page(f"<h1>Day {request.query['d']}</h1>")
    )


def headers(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return as_json({"target": request.target, "referer": request.headers.get("referer")})


def echo(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return as_json(
        {"method": request.method, "body": request.body.decode("latin-1"), "type": request.headers.get("content-type")}
    )


def auth(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    wanted = "Basic " + base64.b64encode(b"user:pass").decode()
    if request.headers.get("authorization") == wanted:
        return page("<p>welcome</p>", "in")
    return page("who are you?", status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))


def cached(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    visits.counts[request.target] += 1
    rules = {
        "fresh": [("Cache-Control", "max-age=3600")],
        "etag": [("ETag", '"v1"'), ("Cache-Control", "no-cache")],
        "modified": [("Last-Modified", "Mon, 05 Jan 2026 00:00:00 GMT"), ("Cache-Control", "max-age=0")],
        "nostore": [("Cache-Control", "no-store")],
        "plain": [],
        "error": [],
    }[rest[0]]
    if request.headers.get("if-none-match") == '"v1"' or "if-modified-since" in request.headers:
        return SiteResponse(status=304, headers=rules)
    code = 404 if rest[0] == "error" else 200
    return page(f"<p>{rest[0]} {visits.counts[request.target]}</p>", rest[0], headers=tuple(rules), status=code)


LINKS = """<html><head><base href="/links/base/"><title>Links</title></head><body>
<a href="one.html">one</a> <a href="one.html#frag">one again</a> <a href="  two.html ">two</a> <a href="../up.html">up</a>
<a href="/headers?b=2&amp;a=1">query</a> <a href="/headers?a=1&amp;b=2">same query</a> <a href="three%20four.html">esc</a>
<a href="mailto:x@example.com">m</a> <a href="javascript:void(0)">j</a> <a href="tel:1">t</a> <a href="">empty</a> <a name="none">n</a>
<a href="pic.jpg">pic</a> <a href="doc.pdf">doc</a> <a href="five.html" rel="nofollow">nofollow</a> <area href="area.html">
<a href="é.html?q=ü">iri</a> <a href="http://127.0.0.2:%(port)s/headers?off">off</a> <a href="//127.0.0.1:%(port)s/links/rel.html">rel</a>
<a href="HTTP://127.0.0.1:%(port)s/links/upper.html">up</a> <a href="?only=query">q</a> <a href="#top">top</a> <a href="a;p=1?x=[1]">odd</a>
<div class="main"><a href="main1.html">m1 <b>bold</b></a><a href="main2.html">m2</a></div><link href="style.css"><a href="six.html
">newline</a> <a href="/links/private.html">p</a></body></html>"""


def links(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    port = request.headers["host"].rpartition(":")[2]
    if request.path == "/links/":
        return SiteResponse(body=LINKS.replace("%(port)s", port).encode())
    return page(f"<h1>{escape(request.target)}</h1>", "Leaf")


def forms(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page(
        '<form name="get" action="/echo?old=1"><input name="q" value="a b"><input name="empty"><button name="b" value="1">go</button></form>'
        '<form id="many" method="POST" action="/echo"><select name="s" multiple><option selected>1<option selected value="2">x<option>3</select>'
        '<select name="first"><option>f1<option>f2</select><input type="file" name="f"><input type="number" name="n" value="5">'
        '<button type="button" name="no" value="no">n</button><button name="yes" value="y">y</button><textarea name="t"> two\nlines </textarea>'
        '<input name="é" value="ü&quot;"></form><form class="weird" method="put" action="/echo"><input name="w" value="1"></form>'
        '<form id="noaction" method="post"><input name="z" value="1"></form>'
    )


def private(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page("not for robots")


ROBOTS = """User-agent: *
Disallow: /private/
Allow: /private/open
Disallow: /links/private.html
Sitemap: /sitemap-index.xml

User-agent: badbot
Disallow: /
"""


def robots(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    port = request.headers["host"].rpartition(":")[2]
    text = ROBOTS.replace("Sitemap: ", f"Sitemap: http://127.0.0.1:{port}")
    return SiteResponse(body=text.encode(), content_type="text/plain")


def urlset(base: str, paths: list[str], kind: str = "url") -> bytes:
    ns = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    outer = {"url": "urlset", "sitemap": "sitemapindex"}[kind]
    entries = "".join(
        f"<{kind}><loc> {base}{path} </loc><lastmod>20{10 + i}-01-01</lastmod>"
        + (f'<xhtml:link rel="alternate" hreflang="de" href="{base}{path}?lang=de"/>' if kind == "url" else "")
        + f"</{kind}>"
        for i, path in enumerate(paths)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><{outer} {ns}>{entries}</{outer}>'.encode()


def sitemap(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    base = f"http://{request.headers['host']}"
    name = request.path
    if name == "/sitemap-index.xml":
        return SiteResponse(
            body=urlset(
                base,
                ["/sitemap-books.xml.gz", "/sitemap-quotes.xml", "/sitemap-old.xml", "/sitemap-list.txt"],
                "sitemap",
            ),
            content_type="application/xml",
        )
    if name == "/sitemap-books.xml.gz":
        body = gzip.compress(
            urlset(base, [f"/books/{('travel', 'mystery')[i % 2]}/book_{i}.html" for i in range(6)]), mtime=0
        )
        return SiteResponse(body=body, content_type="application/x-gzip")
    if name == "/sitemap-quotes.xml":
        return SiteResponse(
            body=urlset(base, ["/quotes/page/1/", "/quotes/page/2/", "/author/Ada-Lovelace/"]), content_type="text/xml"
        )
    if name == "/sitemap-list.txt":
        return SiteResponse(body=f"{base}/quotes/page/3/\n{base}/quotes/page/4/\n".encode(), content_type="text/plain")
    return SiteResponse(body=urlset(base, ["/quotes/page/5/"]), content_type="application/xml")
