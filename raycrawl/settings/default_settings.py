"""The default value of every setting. What each one does is in docs/settings.md.

They are those of Scrapy 2.19, but for the ones marked "raycrawl:"; the last section holds the settings that only
raycrawl has. Settings of Scrapy that have no meaning here are listed in ``raycrawl.settings.check.LEFT_OUT``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raycrawl import __version__

# --- the crawl

ADDONS: dict[Any, Any] = {}
BOT_NAME = "scrapybot"
COMMANDS_MODULE = ""
CONCURRENT_ITEMS = 100
CONCURRENT_REQUESTS = 64  # raycrawl: counts the whole crawl, whatever the number of processes; Scrapy has 16
CONCURRENT_REQUESTS_PER_DOMAIN = 8
DEFAULT_DROPITEM_LOG_LEVEL = "WARNING"
DEFAULT_ITEM_CLASS = "raycrawl.item.Item"
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
}
EDITOR = "vi"
NEWSPIDER_MODULE = ""
SPIDER_LOADER_CLASS = "raycrawl.spiderloader.SpiderLoader"
SPIDER_LOADER_WARN_ONLY = False
SPIDER_MODULES: list[str] = []
TEMPLATES_DIR = str(Path(__file__).resolve().parent.parent / "templates")
USER_AGENT = f"raycrawl/{__version__} (+https://pypi.org/project/raycrawl/)"  # raycrawl: names itself
WARN_ON_GENERATOR_RETURN_VALUE = True

# --- the frontier

DUPEFILTER_CLASS = "raycrawl.dupefilters.RFPDupeFilter"
DUPEFILTER_DEBUG = False
JOBDIR: str | None = None
REQUEST_FINGERPRINTER_CLASS = "raycrawl.utils.request.RequestFingerprinter"
SCHEDULER = "raycrawl.core.scheduler.Scheduler"
SCHEDULER_DEBUG = False
SCHEDULER_DISK_QUEUE = "raycrawl.squeues.PickleLifoDiskQueue"
SCHEDULER_MEMORY_QUEUE = "raycrawl.squeues.LifoMemoryQueue"
SCHEDULER_PRIORITY_QUEUE = "raycrawl.pqueues.DownloaderAwarePriorityQueue"
SCHEDULER_START_DISK_QUEUE = "raycrawl.squeues.PickleFifoDiskQueue"
SCHEDULER_START_MEMORY_QUEUE = "raycrawl.squeues.FifoMemoryQueue"

# --- downloads

AUTOTHROTTLE_DEBUG = False
AUTOTHROTTLE_ENABLED = False
AUTOTHROTTLE_MAX_DELAY = 60.0
AUTOTHROTTLE_START_DELAY = 5.0
AUTOTHROTTLE_TARGET_CONCURRENCY = 1.0
DNSCACHE_ENABLED = True
DNSCACHE_SIZE = 10000
DNS_TIMEOUT = 60
DOWNLOADER = "raycrawl.core.downloader.Downloader"
DOWNLOADER_CLIENT_TLS_CIPHERS = "DEFAULT"
DOWNLOADER_CLIENT_TLS_METHOD = "TLS"
DOWNLOADER_MIDDLEWARES: dict[Any, Any] = {}
DOWNLOADER_MIDDLEWARES_BASE = {
    "raycrawl.downloadermiddlewares.offsite.OffsiteMiddleware": 50,
    "raycrawl.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": 100,
    "raycrawl.downloadermiddlewares.httpauth.HttpAuthMiddleware": 300,
    "raycrawl.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "raycrawl.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
    "raycrawl.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
    "raycrawl.downloadermiddlewares.retry.RetryMiddleware": 550,
    "raycrawl.downloadermiddlewares.redirect.MetaRefreshMiddleware": 580,
    "raycrawl.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
    "raycrawl.downloadermiddlewares.redirect.RedirectMiddleware": 600,
    "raycrawl.downloadermiddlewares.cookies.CookiesMiddleware": 700,
    "raycrawl.downloadermiddlewares.httpproxy.HttpProxyMiddleware": 750,
    "raycrawl.downloadermiddlewares.stats.DownloaderStats": 850,
    "raycrawl.downloadermiddlewares.httpcache.HttpCacheMiddleware": 900,
}
DOWNLOADER_STATS = True
DOWNLOAD_BIND_ADDRESS: str | tuple[str, int] | None = None
DOWNLOAD_DELAY = 0
DOWNLOAD_DELAY_JITTER = 0.5
DOWNLOAD_FAIL_ON_DATALOSS = True
DOWNLOAD_HANDLERS: dict[str, Any] = {}
DOWNLOAD_HANDLERS_BASE = {
    "data": "raycrawl.core.downloader.handlers.datauri.DataURIDownloadHandler",
    "file": "raycrawl.core.downloader.handlers.file.FileDownloadHandler",
    "http": "raycrawl.core.downloader.handlers.http11.HTTP11DownloadHandler",
    "https": "raycrawl.core.downloader.handlers.http11.HTTP11DownloadHandler",
    "s3": "raycrawl.core.downloader.handlers.s3.S3DownloadHandler",
    "ftp": "raycrawl.core.downloader.handlers.ftp.FTPDownloadHandler",
}
DOWNLOAD_MAXSIZE = 128 * 1024 * 1024  # raycrawl: 128 MiB; Scrapy has 1 GiB
DOWNLOAD_SLOTS: dict[str, Any] = {}
DOWNLOAD_TIMEOUT = 180
DOWNLOAD_TLS_MAX_VERSION: str | None = None
DOWNLOAD_TLS_MIN_VERSION: str | None = None
DOWNLOAD_VERIFY_CERTIFICATES = True  # raycrawl: on
DOWNLOAD_WARNSIZE = 32 * 1024 * 1024
RANDOMIZE_DOWNLOAD_DELAY = True
REACTOR_THREADPOOL_MAXSIZE = 10

# --- downloader middlewares

COMPRESSION_ENABLED = True
COOKIES_DEBUG = False
COOKIES_ENABLED = True
HTTPAUTH_DOMAIN: str | None = None
HTTPAUTH_PASS = ""
HTTPAUTH_USER = ""
HTTPCACHE_ALWAYS_STORE = False
HTTPCACHE_DBM_MODULE = "dbm"
HTTPCACHE_DIR = "httpcache"
HTTPCACHE_ENABLED = False
HTTPCACHE_EXPIRATION_SECS = 0
HTTPCACHE_GZIP = False
HTTPCACHE_IGNORE_HTTP_CODES: list[int] = []
HTTPCACHE_IGNORE_MISSING = False
HTTPCACHE_IGNORE_RESPONSE_CACHE_CONTROLS: list[str] = []
HTTPCACHE_IGNORE_SCHEMES = ["file"]
HTTPCACHE_POLICY = "raycrawl.extensions.httpcache.DummyPolicy"
HTTPCACHE_STORAGE = "raycrawl.extensions.httpcache.FilesystemCacheStorage"
HTTPPROXY_AUTH_ENCODING = "latin-1"
HTTPPROXY_ENABLED = True
METAREFRESH_ENABLED = True
METAREFRESH_IGNORE_TAGS = ["noscript"]
METAREFRESH_MAXDELAY = 100
REDIRECT_ENABLED = True
REDIRECT_MAX_TIMES = 20
REDIRECT_PRIORITY_ADJUST = 2
RETRY_ENABLED = True
RETRY_EXCEPTIONS: list[Any] = [
    "raycrawl.exceptions.CannotResolveHostError",
    "raycrawl.exceptions.DownloadConnectionRefusedError",
    "raycrawl.exceptions.DownloadFailedError",
    "raycrawl.exceptions.DownloadTimeoutError",
    "raycrawl.exceptions.ResponseDataLossError",
    OSError,
]
RETRY_GIVE_UP_LOG_LEVEL: str | int = "ERROR"
RETRY_HTTP_CODES = [500, 502, 503, 504, 522, 524, 408, 429]
RETRY_PRIORITY_ADJUST = -1
RETRY_TIMES = 2
ROBOTSTXT_OBEY = True  # raycrawl: on
ROBOTSTXT_PARSER = "raycrawl.robotstxt.ProtegoRobotParser"
ROBOTSTXT_USER_AGENT: str | None = None

# --- spider middlewares, the scraper, item pipelines

CRAWLSPIDER_FOLLOW_LINKS = True
DEPTH_LIMIT = 0
DEPTH_PRIORITY = 0
DEPTH_STATS_VERBOSE = False
HTTPERROR_ALLOWED_CODES: list[int] = []
HTTPERROR_ALLOW_ALL = False
ITEM_PIPELINES: dict[Any, Any] = {}
ITEM_PIPELINES_BASE: dict[Any, Any] = {}
ITEM_PROCESSOR = "raycrawl.pipelines.ItemPipelineManager"
META_COPY_WARN_SKIP_KEYS: list[str] = []
REFERER_ENABLED = True
REFERRER_POLICIES: dict[str, Any] = {}
REFERRER_POLICY = "raycrawl.spidermiddlewares.referer.DefaultReferrerPolicy"
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 5_000_000
SPIDER_MIDDLEWARES: dict[Any, Any] = {}
SPIDER_MIDDLEWARES_BASE = {
    "raycrawl.spidermiddlewares.start.StartSpiderMiddleware": 25,
    "raycrawl.spidermiddlewares.httperror.HttpErrorMiddleware": 50,
    "raycrawl.spidermiddlewares.referer.RefererMiddleware": 700,
    "raycrawl.spidermiddlewares.urllength.UrlLengthMiddleware": 800,
    "raycrawl.spidermiddlewares.depth.DepthMiddleware": 900,
    "raycrawl.spidermiddlewares.metacopy.MetaCopyDetectionMiddleware": 1000,
}
URLLENGTH_LIMIT = 2083

# --- feeds, media, clouds

AWS_ACCESS_KEY_ID: str | None = None
AWS_ENDPOINT_URL: str | None = None
AWS_MAX_POOL_CONNECTIONS: int | None = None
AWS_REGION_NAME: str | None = None
AWS_SECRET_ACCESS_KEY: str | None = None
AWS_SESSION_TOKEN: str | None = None
AWS_USE_SSL: bool | None = None
AWS_VERIFY: bool | None = None
FEEDS: dict[str, Any] = {}
FEED_EXPORTERS: dict[str, Any] = {}
FEED_EXPORTERS_BASE = {
    "json": "raycrawl.exporters.JsonItemExporter",
    "jsonlines": "raycrawl.exporters.JsonLinesItemExporter",
    "jsonl": "raycrawl.exporters.JsonLinesItemExporter",
    "jl": "raycrawl.exporters.JsonLinesItemExporter",
    "csv": "raycrawl.exporters.CsvItemExporter",
    "xml": "raycrawl.exporters.XmlItemExporter",
    "marshal": "raycrawl.exporters.MarshalItemExporter",
    "pickle": "raycrawl.exporters.PickleItemExporter",
    "parquet": "raycrawl.exporters.ParquetItemExporter",
    "warc": "raycrawl.feeds.warc.WarcItemExporter",
}
FEED_EXPORT_BATCH_ITEM_COUNT = 0
FEED_EXPORT_ENCODING: str | None = None
FEED_EXPORT_FIELDS: list[str] | dict[str, str] | None = None
FEED_EXPORT_INDENT: int | None = 0
FEED_FORMAT = "jsonlines"
FEED_STORAGES: dict[str, Any] = {}
FEED_STORAGES_BASE = {
    "": "raycrawl.extensions.feedexport.FileFeedStorage",
    "file": "raycrawl.extensions.feedexport.FileFeedStorage",
    "ftp": "raycrawl.extensions.feedexport.FTPFeedStorage",
    "ftps": "raycrawl.extensions.feedexport.FTPFeedStorage",
    "gs": "raycrawl.extensions.feedexport.GCSFeedStorage",
    "s3": "raycrawl.extensions.feedexport.S3FeedStorage",
    "stdout": "raycrawl.extensions.feedexport.StdoutFeedStorage",
}
FEED_STORAGE_FTP_ACTIVE = False
FEED_STORAGE_GCS_ACL = ""
FEED_STORAGE_S3_ACL = ""
FEED_STORE_EMPTY = True
FEED_TEMPDIR: str | None = None
FEED_URI: str | None = None
FEED_URI_PARAMS: Any = None
FILES_STORE: str | None = None
FILES_STORE_GCS_ACL = ""
FILES_STORE_S3_ACL = "private"
FTP_PASSIVE_MODE = True
FTP_PASSWORD = "guest"
FTP_USER = "anonymous"
GCS_PROJECT_ID: str | None = None
IMAGES_STORE: str | None = None
IMAGES_STORE_GCS_ACL = ""
IMAGES_STORE_S3_ACL = "private"

# --- extensions, logs, statistics, contracts

CLOSESPIDER_ERRORCOUNT = 0
CLOSESPIDER_ITEMCOUNT = 0
CLOSESPIDER_PAGECOUNT = 0
CLOSESPIDER_PAGECOUNT_NO_ITEM = 0
CLOSESPIDER_TIMEOUT = 0.0
CLOSESPIDER_TIMEOUT_NO_ITEM = 0
EXTENSIONS: dict[Any, Any] = {}
EXTENSIONS_BASE = {  # raycrawl: no telnet console and no remote control
    "raycrawl.extensions.corestats.CoreStats": 0,
    "raycrawl.extensions.logcount.LogCount": 0,
    "raycrawl.extensions.memusage.MemoryUsage": 0,
    "raycrawl.extensions.memdebug.MemoryDebugger": 0,
    "raycrawl.extensions.closespider.CloseSpider": 0,
    "raycrawl.extensions.feedexport.FeedExporter": 0,
    "raycrawl.extensions.logstats.LogStats": 0,
    "raycrawl.extensions.spiderstate.SpiderState": 0,
    "raycrawl.extensions.throttle.AutoThrottle": 0,
}
LOGSTATS_INTERVAL = 60.0
LOG_COLOR = True
LOG_DATEFORMAT = "%Y-%m-%d %H:%M:%S"
LOG_ENABLED = True
LOG_ENCODING = "utf-8"
LOG_FILE: str | None = None
LOG_FILE_APPEND = True
LOG_FORMAT = "%(asctime)s [%(name)s] %(levelname)s: %(message)s"
LOG_FORMATTER = "raycrawl.logformatter.LogFormatter"
LOG_INSTALL_ROOT_HANDLER = True
LOG_LEVEL = "DEBUG"
LOG_SHORT_NAMES = False
LOG_STDOUT = False
LOG_VERSIONS = ["ray", "aiohttp", "lxml", "libxml2", "cssselect", "parsel", "w3lib", "Python", "Platform"]
MEMDEBUG_ENABLED = False
MEMUSAGE_CHECK_INTERVAL_SECONDS = 60.0
MEMUSAGE_ENABLED = True
MEMUSAGE_LIMIT_MB = 0
MEMUSAGE_WARNING_MB = 0
PERIODIC_LOG_DELTA: Any = None
PERIODIC_LOG_STATS: Any = None
PERIODIC_LOG_TIMING_ENABLED = False
SPIDER_CONTRACTS: dict[Any, Any] = {}
SPIDER_CONTRACTS_BASE = {
    "raycrawl.contracts.default.UrlContract": 1,
    "raycrawl.contracts.default.CallbackKeywordArgumentsContract": 1,
    "raycrawl.contracts.default.MetadataContract": 1,
    "raycrawl.contracts.default.MethodContract": 1,
    "raycrawl.contracts.default.BodyContract": 1,
    "raycrawl.contracts.default.HeaderContract": 1,
    "raycrawl.contracts.default.CookieContract": 1,
    "raycrawl.contracts.default.ReturnsContract": 2,
    "raycrawl.contracts.default.ScrapesContract": 3,
}
STATS_CLASS = "raycrawl.statscollectors.MemoryStatsCollector"
STATS_DUMP = True

# --- raycrawl's own: actors, batches, durability, safety

ALLOW_PRIVATE_ADDRESSES: str | bool | list[str] = "start"
BATCH_BYTES = 1_000_000
BATCH_DELAY = 0.02
BATCH_PAGES = 32
DISK_FULL_TIMEOUT = 3600
DOMAIN_PAGE_LIMIT = 0
DOWNLOADER_ACTORS: int | str = "auto"
DOWNLOADER_CPUS: float | str = "auto"
FRONTIER_SYNC: float | str = "never"
HEARTBEAT_INTERVAL = 5.0
ITEMS_SPOOL = True
LEASE_TIMEOUT = 600
MEMORY_BACKOUT_PERCENT = 95
RAY_ADDRESS: str | None = None
ROBOTSTXT_CRAWL_DELAY = True
ROBOTSTXT_RFC9309 = True
SCHEDULER_SHARDS = 1
SCRAPER_ACTORS: int | str = "auto"
SCRAPER_CPUS: float | str = "auto"
SCRAPER_MEMORY_LIMIT: float | str = "auto"
SCRAPER_TIMEOUT = 180
