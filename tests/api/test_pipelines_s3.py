"""Media in an S3 bucket: moto's server, on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from raycrawl.http import Request, Response
from raycrawl.pipelines.files import FilesPipeline
from raycrawl.utils.test import get_crawler

pytestmark = pytest.mark.filterwarnings("default")  # botocore and moto have deprecations of their own
URL = "http://a.example/x.pdf"
NAME = f"full/{hashlib.sha1(URL.encode()).hexdigest()}.pdf"


class OneFile:
    """An engine that downloads one body and counts."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.downloads = 0

    async def download_async(self, request: Request) -> Response:
        self.downloads += 1
        return Response(request.url, body=self.body, request=request)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("s3fs", reason="the s3 extra is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto's S3 server is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Any:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="media")
    return client


def pipeline(endpoint: str, engine: OneFile, **settings: Any) -> FilesPipeline:
    crawler = get_crawler(
        settings_dict={
            "FILES_STORE": "s3://media/some/prefix",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION_NAME": "us-east-1",
            **settings,
        }
    )
    crawler.engine = engine
    one = FilesPipeline.from_crawler(crawler)
    one.open_spider()
    return one


async def test_a_file_is_stored_found_again_and_expires(endpoint: str, client: Any) -> None:
    engine = OneFile(b"content")
    item = await pipeline(endpoint, engine).process_item({"file_urls": [URL]})
    assert [one["status"] for one in item["files"]] == ["downloaded"]
    stored = client.get_object(Bucket="media", Key=f"some/prefix/{NAME}")
    assert stored["Body"].read() == b"content"
    assert stored["CacheControl"] == "max-age=172800"
    item = await pipeline(endpoint, engine).process_item({"file_urls": [URL]})
    checksum = hashlib.md5(b"content").hexdigest()
    assert item["files"] == [{"url": URL, "path": NAME, "checksum": checksum, "status": "uptodate"}]
    assert engine.downloads == 1
    await pipeline(endpoint, engine, FILES_EXPIRES=-1).process_item({"file_urls": [URL]})
    assert engine.downloads == 2


async def test_metadata_and_acl(endpoint: str, client: Any) -> None:
    from io import BytesIO

    one = pipeline(endpoint, OneFile(b""), FILES_STORE_S3_ACL="public-read")
    await one._persist(
        "a/b.jpg", BytesIO(b"x"), one.spiderinfo, meta={"width": 3}, headers={"Content-Type": "image/jpeg"}
    )
    stored = client.head_object(Bucket="media", Key="some/prefix/a/b.jpg")
    assert (stored["ContentType"], stored["Metadata"]) == ("image/jpeg", {"width": "3"})
    grants = client.get_object_acl(Bucket="media", Key="some/prefix/a/b.jpg")["Grants"]
    assert "READ" in [grant["Permission"] for grant in grants]
    assert await one.store.stat_file("nothing", one.spiderinfo) == {}  # type: ignore[misc]
