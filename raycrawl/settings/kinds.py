"""What the value of each setting has to be: readers that raise for a value which cannot be used, and words for it."""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raycrawl.settings.base import split_list


class Check(NamedTuple):
    """How a setting is checked.

    Attributes:
        read: called with the value; raises when the value cannot be used.
        expected: what is expected, for the error message.
        optional: None is fine.
    """

    read: Callable[[Any], Any]
    expected: str
    optional: bool = False


def _boolean(value: Any) -> bool:
    if value in ("True", "true"):
        return True
    if value in ("False", "false"):
        return False
    return bool(int(value))


def _whole(least: int = 0, most: int | None = None) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = int(value)
        if isinstance(value, float) and value != number:
            raise ValueError(value)
        return int(_within(number, least, most))

    return read


def _real(least: float = 0.0, most: float | None = None) -> Callable[[Any], float]:
    return lambda value: _within(float(value), least, most)


def _within(number: float, least: float, most: float | None) -> float:
    if not number >= least or (most is not None and number > most):  # "not >=" refuses NaN, too
        raise ValueError(number)
    return number


def _any_integer(value: Any) -> int:
    return int(value)


def _listing(of: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def read(value: Any) -> list[Any]:
        if isinstance(value, (Mapping, bytes)):
            raise TypeError(value)
        parts = split_list(value) if isinstance(value, str) else list(value)
        return [of(part) for part in parts]

    return read


def _status(value: Any) -> int:
    return int(_within(int(value), 100, 999))


def _mapping(value: Any) -> Mapping[Any, Any]:
    found = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise TypeError(found)
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _level(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return logging.getLevelNamesMapping()[value.upper()]


def _component(value: Any) -> Any:
    if callable(value):
        return value
    if "." not in _text(value):
        raise ValueError(value)
    return value


def _auto_or(read: Callable[[Any], Any], word: str = "auto") -> Callable[[Any], Any]:
    return lambda value: value if value == word else read(value)


def _sync(value: Any) -> Any:
    return value if value in ("never", "always") else _real(0.001)(value)


def _private(value: Any) -> Any:
    if value == "start":
        return value
    try:
        return _boolean(value)
    except (TypeError, ValueError):
        return _listing(_network_or_host)(value)


def _network_or_host(value: Any) -> str:
    text = _text(value).strip()
    if "/" in text:
        ipaddress.ip_network(text, strict=False)
    elif not text or any(character.isspace() for character in text):
        raise ValueError(text)
    return text


def _tls(value: Any) -> str:
    if value not in ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"):
        raise ValueError(value)
    return str(value)


def _encoding(value: Any) -> Any:
    import codecs

    return codecs.lookup(_text(value))


_BOOLEAN = Check(_boolean, "True or False")
_COUNT = Check(_whole(), "a whole number, 0 or more")
_COUNT_1 = Check(_whole(1), "a whole number, 1 or more")
_SECONDS = Check(_real(), "a number of seconds, 0 or more")
_INTEGER = Check(_any_integer, "a whole number")
_STATUSES = Check(_listing(_status), "a list of HTTP status codes (100 to 999)")
_TEXTS = Check(_listing(_text), "a list of texts")
_COMPONENT = Check(_component, "a class or its import path, 'module.Name'")
_LEVEL = Check(_level, "a log level: DEBUG, INFO, WARNING, ERROR, CRITICAL or a number")
_MAPPING = Check(_mapping, "a dictionary")
_PATH = Check(str, "a path", optional=True)
_ACTORS = Check(_auto_or(_whole(1)), "'auto' or a whole number, 1 or more")
_MEMORY = Check(_auto_or(_real()), "'auto' or a number of megabytes, 0 or more")
_CPUS = Check(_auto_or(_real()), "'auto' or a number of CPUs, 0 or more")
_TLS = Check(_tls, "one of TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3", optional=True)

_GROUPS: dict[Check, str] = {
    _BOOLEAN: """
        AUTOTHROTTLE_DEBUG AUTOTHROTTLE_ENABLED COMPRESSION_ENABLED COOKIES_DEBUG COOKIES_ENABLED
        CRAWLSPIDER_FOLLOW_LINKS DEPTH_STATS_VERBOSE DNSCACHE_ENABLED DOWNLOADER_STATS DOWNLOAD_FAIL_ON_DATALOSS
        DOWNLOAD_VERIFY_CERTIFICATES DUPEFILTER_DEBUG FEED_STORAGE_FTP_ACTIVE FEED_STORE_EMPTY
        FTP_PASSIVE_MODE HTTPCACHE_ALWAYS_STORE HTTPCACHE_ENABLED HTTPCACHE_GZIP HTTPCACHE_IGNORE_MISSING
        HTTPERROR_ALLOW_ALL HTTPPROXY_ENABLED ITEMS_SPOOL LOG_COLOR LOG_ENABLED LOG_FILE_APPEND LOG_INSTALL_ROOT_HANDLER
        LOG_SHORT_NAMES LOG_STDOUT MEMDEBUG_ENABLED MEMUSAGE_ENABLED METAREFRESH_ENABLED
        PERIODIC_LOG_TIMING_ENABLED RANDOMIZE_DOWNLOAD_DELAY REDIRECT_ENABLED REFERER_ENABLED RETRY_ENABLED
        ROBOTSTXT_CRAWL_DELAY ROBOTSTXT_OBEY ROBOTSTXT_RFC9309 SCHEDULER_DEBUG SPIDER_LOADER_WARN_ONLY STATS_DUMP
        WARN_ON_GENERATOR_RETURN_VALUE
    """,
    _COUNT: """
        CLOSESPIDER_ERRORCOUNT CLOSESPIDER_ITEMCOUNT CLOSESPIDER_PAGECOUNT CLOSESPIDER_PAGECOUNT_NO_ITEM DEPTH_LIMIT
        DNSCACHE_SIZE DOMAIN_PAGE_LIMIT DOWNLOAD_MAXSIZE DOWNLOAD_WARNSIZE FEED_EXPORT_BATCH_ITEM_COUNT
        REDIRECT_MAX_TIMES RETRY_TIMES SCRAPER_SLOT_MAX_ACTIVE_SIZE URLLENGTH_LIMIT
    """,
    _COUNT_1: """
        BATCH_BYTES BATCH_PAGES CONCURRENT_ITEMS CONCURRENT_REQUESTS CONCURRENT_REQUESTS_PER_DOMAIN
        REACTOR_THREADPOOL_MAXSIZE
    """,
    _SECONDS: """
        AUTOTHROTTLE_MAX_DELAY AUTOTHROTTLE_START_DELAY CLOSESPIDER_TIMEOUT CLOSESPIDER_TIMEOUT_NO_ITEM
        DISK_FULL_TIMEOUT DNS_TIMEOUT DOWNLOAD_DELAY DOWNLOAD_TIMEOUT HEARTBEAT_INTERVAL HTTPCACHE_EXPIRATION_SECS
        LOGSTATS_INTERVAL MEMUSAGE_CHECK_INTERVAL_SECONDS METAREFRESH_MAXDELAY
    """,
    Check(_real(0.001), "a number of seconds greater than 0"): "LEASE_TIMEOUT SCRAPER_TIMEOUT",
    Check(_real(0.0, 10.0), "a number of seconds from 0 to 10"): "BATCH_DELAY",
    Check(_real(0.0, 1.0), "a number from 0 to 1", optional=True): "DOWNLOAD_DELAY_JITTER",
    Check(_real(0.001), "a number greater than 0"): "AUTOTHROTTLE_TARGET_CONCURRENCY",
    Check(_real(1, 100), "a number from 1 to 100"): "MEMORY_BACKOUT_PERCENT",
    Check(_real(), "a number of megabytes, 0 or more"): "MEMUSAGE_LIMIT_MB MEMUSAGE_WARNING_MB",
    Check(_whole(1, 256), "a whole number from 1 to 256"): "SCHEDULER_SHARDS",
    _INTEGER: "DEPTH_PRIORITY REDIRECT_PRIORITY_ADJUST RETRY_PRIORITY_ADJUST",
    Check(_any_integer, "a whole number", optional=True): "FEED_EXPORT_INDENT AWS_MAX_POOL_CONNECTIONS",
    _STATUSES: "HTTPCACHE_IGNORE_HTTP_CODES HTTPERROR_ALLOWED_CODES RETRY_HTTP_CODES",
    _TEXTS: """
        HTTPCACHE_IGNORE_RESPONSE_CACHE_CONTROLS HTTPCACHE_IGNORE_SCHEMES LOG_VERSIONS METAREFRESH_IGNORE_TAGS
        META_COPY_WARN_SKIP_KEYS SPIDER_MODULES
    """,
    _COMPONENT: """
        DEFAULT_ITEM_CLASS DOWNLOADER DUPEFILTER_CLASS HTTPCACHE_POLICY HTTPCACHE_STORAGE ITEM_PROCESSOR LOG_FORMATTER
        REQUEST_FINGERPRINTER_CLASS ROBOTSTXT_PARSER SCHEDULER SCHEDULER_DISK_QUEUE SCHEDULER_MEMORY_QUEUE
        SCHEDULER_PRIORITY_QUEUE SPIDER_LOADER_CLASS STATS_CLASS
    """,
    Check(_component, "a class or its import path, or None", optional=True): (
        "SCHEDULER_START_DISK_QUEUE SCHEDULER_START_MEMORY_QUEUE"
    ),
    _LEVEL: "DEFAULT_DROPITEM_LOG_LEVEL LOG_LEVEL RETRY_GIVE_UP_LOG_LEVEL",
    _MAPPING: """
        DEFAULT_REQUEST_HEADERS DOWNLOAD_HANDLERS DOWNLOAD_SLOTS FEEDS FEED_EXPORTERS FEED_STORAGES REFERRER_POLICIES
    """,
    _PATH: "FEED_TEMPDIR FILES_STORE IMAGES_STORE JOBDIR LOG_FILE",
    _ACTORS: "DOWNLOADER_ACTORS SCRAPER_ACTORS",
    _MEMORY: "SCRAPER_MEMORY_LIMIT",
    _CPUS: "DOWNLOADER_CPUS SCRAPER_CPUS",
    _TLS: "DOWNLOAD_TLS_MAX_VERSION DOWNLOAD_TLS_MIN_VERSION",
    Check(_text, "a text"): "BOT_NAME LOG_FORMAT LOG_DATEFORMAT",
    Check(_text, "a text", optional=True): "RAY_ADDRESS ROBOTSTXT_USER_AGENT USER_AGENT",
    Check(_encoding, "the name of an encoding", optional=True): (
        "FEED_EXPORT_ENCODING HTTPPROXY_AUTH_ENCODING LOG_ENCODING"
    ),
    Check(_sync, "'never', 'always' or a number of seconds"): "FRONTIER_SYNC",
    Check(_private, "'start', True, False, or a list of networks and hosts"): "ALLOW_PRIVATE_ADDRESSES",
}

KINDS: dict[str, Check] = {name: check for check, names in _GROUPS.items() for name in names.split()}
