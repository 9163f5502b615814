"""Where a request may connect: the rule itself, and the connector that applies it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadFailedError,
    UnsupportedURLSchemeError,
)
from raycrawl.http import Request, Response
from raycrawl.transport.addresses import AddressPolicy, is_private_address
from raycrawl.transport.origin import split_url
from raycrawl.utils.test import get_crawler
from tests.api.rawserver import keep_alive, serving

CORPUS = json.loads((Path(__file__).parents[1] / "data" / "ssrf-hosts.json").read_text())
FROM_PUBLIC: dict[str, Any] = {"_private_ok": False}
REFUSALS = (DownloadCancelledError, UnsupportedURLSchemeError)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254",
        "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:db8::1", "2002:7f00:1::", "100::1",
        "2001:0:1:2:3:4:80ff:fffe",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert is_private_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "192.167.255.255", "169.253.255.255",
        "100.128.0.1", "11.0.0.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8",
    ],
)  # fmt: skip
def test_public_addresses(address: str) -> None:
    assert not is_private_address(address)


@pytest.mark.parametrize(
    ("setting", "meta", "trusted"),
    [
        ("start", {"is_start_request": True}, True),
        ("start", {"_private_ok": True, "depth": 3}, True),
        ("start", {"_private_ok": False, "is_start_request": True}, False),
        ("start", {"depth": 1}, False),
        ("start", {}, True),
        (True, {"_private_ok": False}, True),
        ("true", {"_private_ok": False}, True),
        (False, {"is_start_request": True}, False),
        (False, {}, False),
        (["10.0.0.0/8"], {"is_start_request": True}, True),
        (["10.0.0.0/8"], {"_private_ok": False}, False),
    ],
)
def test_who_is_trusted(setting: Any, meta: dict[str, Any], trusted: bool) -> None:
    assert AddressPolicy(setting).is_trusted(meta) is trusted


def test_lists_of_networks_and_hosts() -> None:
    for setting in (
        ["10.0.0.0/8", "intranet.test", "fd00::/8", "192.168.1.5"],
        "10.0.0.0/8,intranet.test,fd00::/8,192.168.1.5",
    ):
        policy = AddressPolicy(setting)
        assert policy.is_allowed("x", "10.1.2.3")
        assert policy.is_allowed("x", "fd00::1")
        assert policy.is_allowed("x", "192.168.1.5")
        assert policy.is_allowed("INTRANET.test.", "192.168.0.1")
        assert policy.is_allowed("x", "8.8.8.8")
        assert not policy.is_allowed("x", "192.168.0.1")
        assert not policy.is_allowed("x", "127.0.0.1")
    with pytest.raises(ValueError, match="ALLOW_PRIVATE_ADDRESSES"):
        AddressPolicy(3.5)


# the corpus, against the real handler. No name may be looked up outside: the resolver answers from a table.


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    table: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def lookup(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in table:
            answers = table[host]
            return [
                (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0))
                for ip in (answers.pop(0) if len(answers) > 1 else answers[0])
            ]
        if host.replace(".", "").isdigit() or host in ("localhost",) or ":" in host:
            return real(host, port, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "not in the table")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return table


async def fetch(url: str, meta: dict[str, Any] | None = None, **settings: Any) -> Response:
    handlers = DownloadHandlers(get_crawler(settings_dict={"DOWNLOAD_TIMEOUT": 5, **settings}))
    try:
        return await handlers.download_request_async(Request(url, meta=meta))
    finally:
        await handlers.close()


@pytest.mark.parametrize("case", CORPUS["must_not_connect_after_public_origin"], ids=lambda case: case["url"])
async def test_the_corpus_of_private_urls(
    case: dict[str, str], names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[Any] = []
    loop_class = type(__import__("asyncio").get_running_loop())

    async def connect(self: Any, factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        connected.append(host)
        raise OSError("no connection in this test")

    monkeypatch.setattr(loop_class, "create_connection", connect)
    try:
        request = Request(case["url"], meta={**FROM_PUBLIC, "verbatim_url": True})
    except ValueError:
        return  # no URL at all
    handlers = DownloadHandlers(get_crawler())
    with pytest.raises((*REFUSALS, DownloadFailedError, CannotResolveHostError)):
        await handlers.download_request_async(request)
    await handlers.close()
    assert all(not is_private_address(host) for host in connected)


@pytest.mark.parametrize("case", CORPUS["must_allow_subject_to_dns"], ids=lambda case: case["url"])
async def test_the_corpus_of_public_urls(
    case: dict[str, str], names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[str] = []
    loop_class = type(__import__("asyncio").get_running_loop())

    async def connect(self: Any, factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        connected.append(host)
        raise OSError("no connection in this test")

    monkeypatch.setattr(loop_class, "create_connection", connect)
    names[split_url(case["url"])[0].host] = [["93.184.216.34"]]
    with pytest.raises(DownloadFailedError):
        await fetch(case["url"], FROM_PUBLIC)
    assert len(connected) == 1


async def test_a_page_from_a_private_address_may_lead_to_another(names: Any) -> None:
    async with serving(keep_alive()) as server:
        request = Request(server.url, meta={"is_start_request": True})
        handlers = DownloadHandlers(get_crawler())
        await handlers.download_request_async(request)
        assert request.meta["_private_ok"] is True
        child = Request(server.url + "/child", meta={"depth": 1, "_private_ok": request.meta["_private_ok"]})
        assert (await handlers.download_request_async(child)).status == 200
        with pytest.raises(DownloadCancelledError, match="ALLOW_PRIVATE_ADDRESSES"):
            await handlers.download_request_async(Request(server.url, meta={"depth": 1}))
        await handlers.close()


async def test_a_pooled_connection_is_no_way_around_the_rule(names: Any) -> None:
    async with serving(keep_alive()) as server:
        handlers = DownloadHandlers(get_crawler())
        await handlers.download_request_async(Request(server.url))
        with pytest.raises(DownloadCancelledError):
            await handlers.download_request_async(Request(server.url, meta=dict(FROM_PUBLIC)))
        await handlers.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("setting", [True, ["127.0.0.0/8"], ["127.0.0.1"], "127.0.0.1/32"])
async def test_the_setting_allows(names: Any, setting: Any) -> None:
    async with serving(keep_alive()) as server:
        assert (await fetch(server.url, FROM_PUBLIC, ALLOW_PRIVATE_ADDRESSES=setting)).status == 200


async def test_the_setting_forbids_even_start_requests(names: Any) -> None:
    async with serving(keep_alive()) as server:
        with pytest.raises(DownloadCancelledError):
            await fetch(server.url, {"is_start_request": True}, ALLOW_PRIVATE_ADDRESSES=False)


async def test_names_with_private_answers_are_refused(names: dict[str, list[list[str]]]) -> None:
    names["priv.test"] = [["10.0.0.5"]]
    names["cname-local.test"] = [["127.0.0.1"]]
    for host in ("priv.test", "cname-local.test", "foo.localhost", "localhost."):
        with pytest.raises(DownloadCancelledError):
            await fetch(f"http://{host}/", FROM_PUBLIC)


async def test_of_mixed_answers_only_public_ones_are_used(
    names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["mixed.test"] = [["93.184.216.34", "169.254.169.254"]]
    connected: list[str] = []

    async def connect(self: Any, factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        connected.append(host)
        raise OSError("no connection in this test")

    monkeypatch.setattr(type(__import__("asyncio").get_running_loop()), "create_connection", connect)
    with pytest.raises(DownloadFailedError):
        await fetch("http://mixed.test/", FROM_PUBLIC)
    assert connected == ["93.184.216.34"]


async def test_a_name_that_is_rebound_is_judged_by_the_answer_that_is_used(
    names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebind.test"] = [["93.184.216.34"], ["127.0.0.1"]]
    connected: list[str] = []

    async def connect(self: Any, factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        connected.append(host)
        raise OSError("no connection in this test")

    monkeypatch.setattr(type(__import__("asyncio").get_running_loop()), "create_connection", connect)
    with pytest.raises(DownloadFailedError):
        await fetch("http://rebind.test/", FROM_PUBLIC, DNSCACHE_ENABLED=False)
    with pytest.raises(DownloadCancelledError):
        await fetch("http://rebind.test/", FROM_PUBLIC, DNSCACHE_ENABLED=False)
    assert connected == ["93.184.216.34"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "x.localhost", "[::1]", "169.254.169.254", "2130706433"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_not_asked_for_private_hosts(names: Any, host: str, scheme: str) -> None:
    async with serving(keep_alive()) as proxy:
        with pytest.raises(DownloadCancelledError):
            await fetch(f"{scheme}://{host}/", {**FROM_PUBLIC, "proxy": proxy.url})
        assert proxy.requests == []
