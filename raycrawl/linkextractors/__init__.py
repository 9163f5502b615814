"""Link extractors: which links of a page to follow."""

from __future__ import annotations

# Endings of URLs that seldom lead to a page. A path that ends with "." and one of these is no link to follow.
IGNORED_EXTENSIONS = [
    # archives
    "7z", "7zip", "bz2", "rar", "tar", "tar.gz", "xz", "zip",
    # images
    "ai", "bmp", "cdr", "drw", "dxf", "eps", "gif", "ico", "jpeg", "jpg", "mng", "pct", "png", "ps", "psp", "pst",
    "svg", "tif", "tiff", "webp",
    # audio
    "aac", "aiff", "au", "mid", "mp3", "ogg", "ra", "wav", "wma",
    # video
    "3gp", "asf", "asx", "avi", "flv", "m4a", "m4v", "mov", "mp4", "mpg", "qt", "rm", "swf", "webm", "wmv",
    # office
    "doc", "docb", "docm", "docx", "dotm", "dotx", "odg", "odp", "ods", "odt", "potm", "potx", "pps", "ppt", "pptm",
    "pptx", "xls", "xlsm", "xlsx", "xltm", "xltx",
    # programs and the rest
    "apk", "bat", "bin", "cpl", "css", "dmg", "exe", "hta", "iso", "jar", "js", "msi", "msp", "pdf", "py", "rb", "rss",
    "sh",
]  # fmt: skip

from raycrawl.linkextractors.lxmlhtml import LxmlLinkExtractor as LinkExtractor  # noqa: E402 - needs the list above

__all__ = ["IGNORED_EXTENSIONS", "LinkExtractor"]
