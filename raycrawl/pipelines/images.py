"""``ImagesPipeline``: downloads images, converts them to JPEG and makes thumbnails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import NotConfigured
from raycrawl.pipelines.files import FilesPipeline, _sha1
from raycrawl.pipelines.media import FileException, FileInfoOrError, MediaPipeline
from raycrawl.pipelines.stores import md5_of

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from os import PathLike

    from PIL import Image

    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

__all__ = ["ImageException", "ImagesPipeline"]


class ImageException(FileException):
    """An image is no use; the message says why."""


class ImagesPipeline(FilesPipeline):
    """Stores what an item's ``image_urls`` name as JPEG files and lists it in the item's ``images``.

    ``IMAGES_THUMBS`` (name -> size), ``IMAGES_MIN_WIDTH``, ``IMAGES_MIN_HEIGHT`` and ``IMAGES_EXPIRES`` say what else.

    Raises:
        NotConfigured: there is no store, or Pillow is not installed.
    """

    MEDIA_NAME: str = "image"
    MIN_WIDTH: int = 0
    MIN_HEIGHT: int = 0
    EXPIRES: int = 90
    THUMBS: dict[str, tuple[int, int]] = {}
    DEFAULT_IMAGES_URLS_FIELD = "image_urls"
    DEFAULT_IMAGES_RESULT_FIELD = "images"

    _PREFIX = "IMAGES"

    def __init__(self, store_uri: str | PathLike[str], download_func: None = None, *, crawler: Crawler) -> None:
        try:
            from PIL import Image, ImageOps
        except ImportError as error:
            raise NotConfigured("ImagesPipeline needs Pillow: pip install raycrawl[images]") from error
        self._Image = Image
        self._ImageOps = ImageOps
        super().__init__(store_uri, download_func, crawler=crawler)
        settings = crawler.settings
        self.expires = settings.getint(self._own_key("IMAGES_EXPIRES", "ImagesPipeline"), self.EXPIRES)
        self.images_urls_field: str = self._field("IMAGES_URLS_FIELD", "ImagesPipeline")
        self.images_result_field: str = self._field("IMAGES_RESULT_FIELD", "ImagesPipeline")
        self.min_width: int = settings.getint(self._own_key("IMAGES_MIN_WIDTH", "ImagesPipeline"), self.MIN_WIDTH)
        self.min_height: int = settings.getint(self._own_key("IMAGES_MIN_HEIGHT", "ImagesPipeline"), self.MIN_HEIGHT)
        self.thumbs: dict[str, tuple[int, int]] = settings.get(
            self._own_key("IMAGES_THUMBS", "ImagesPipeline"), self.THUMBS
        )

    def get_media_requests(self, item: Any, info: MediaPipeline.SpiderInfo) -> list[Request]:
        return self._requests(item, self.images_urls_field)

    def file_downloaded(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> str | Awaitable[str]:
        return self.image_downloaded(response, request, info, item=item)

    async def image_downloaded(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> str:
        """Stores the image and its thumbnails and gives the image's checksum."""
        checksum: str | None = None
        for path, image, buf in self.get_images(response, request, info, item=item):
            if checksum is None:
                buf.seek(0)
                checksum = md5_of(buf)
            width, height = image.size
            await self._persist(
                path,
                buf,
                info,
                meta={"width": width, "height": height},
                headers={"Content-Type": "image/jpeg"},
            )
            # A page may have many images and each costs milliseconds: others get their turn in between.
            await asyncio.sleep(0)
        if checksum is None:
            raise ImageException("get_images() gave no image")
        return checksum

    def get_images(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> Iterator[tuple[str, Image.Image, BytesIO]]:
        """(path, image, its file) of the image and then of each thumbnail.

        Raises:
            ImageException: it is smaller than the settings want.
        """
        path = self.file_path(request, response=response, info=info, item=item)
        original = self._Image.open(BytesIO(response.body))
        width, height = original.size
        if width < self.min_width or height < self.min_height:
            raise ImageException(f"Image too small ({width}x{height} < {self.min_width}x{self.min_height})")
        transposed = self._ImageOps.exif_transpose(original)
        image, buf = self.convert_image(transposed, response_body=BytesIO(response.body))
        yield path, image, buf
        for thumb_id, size in self.thumbs.items():
            thumb_path = self.thumb_path(request, thumb_id, response=response, info=info, item=item)
            thumb, thumb_buf = self.convert_image(image, tuple(size), response_body=buf)  # type: ignore[arg-type]
            yield thumb_path, thumb, thumb_buf

    def convert_image(
        self, image: Image.Image, size: tuple[int, int] | None = None, *, response_body: BytesIO
    ) -> tuple[Image.Image, BytesIO]:
        """``image`` as an RGB JPEG, within ``size`` when given; a JPEG that needs no change keeps its bytes.

        Args:
            response_body: the file that ``image`` was read from.
        """
        Image = self._Image
        if image.mode == "P":
            image = image.convert("RGBA")
        if image.mode in ("RGBA", "LA", "PA"):
            # JPEG has no transparency: on white, as a browser shows it.
            image = image.convert("RGBA")
            background = Image.new("RGBA", image.size, (255, 255, 255))
            background.paste(image, image)
            image = background.convert("RGB")
        elif image.mode != "RGB":
            image = image.convert("RGB")
        if size:
            image = image.copy()
            image.thumbnail(size, Image.Resampling.LANCZOS)
        elif image.format == "JPEG":
            return image, response_body
        buf = BytesIO()
        image.save(buf, "JPEG")
        return image, buf

    def item_completed(self, results: list[FileInfoOrError], item: Any, info: MediaPipeline.SpiderInfo) -> Any:
        item = MediaPipeline.item_completed(self, results, item, info)
        return self._listed(results, item, self.images_result_field)

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
    ) -> str:
        """``full/SHA1-OF-URL.jpg``."""
        return f"full/{_sha1(request.url)}.jpg"

    def thumb_path(
        self,
        request: Request,
        thumb_id: str,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
    ) -> str:
        """``thumbs/NAME/SHA1-OF-URL.jpg``."""
        return f"thumbs/{thumb_id}/{_sha1(request.url)}.jpg"
