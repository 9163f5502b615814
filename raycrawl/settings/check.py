"""Checking the settings before a crawl begins, so that a mistake costs a second and not a crawl.

``check_settings`` names every value that cannot be used, all at once, and warns of settings that have no effect here.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import UsageError
from raycrawl.settings import default_settings
from raycrawl.settings.kinds import KINDS, Check
from raycrawl.utils.misc import translate_path

if TYPE_CHECKING:
    from raycrawl.settings.base import BaseSettings

# Settings of Scrapy that have no meaning here -> what to use instead.
LEFT_OUT: dict[str, str] = {
    "ASYNCIO_EVENT_LOOP": "uvloop is used where it is installed",
    "CONCURRENT_REQUESTS_PER_IP": "CONCURRENT_REQUESTS_PER_DOMAIN and DOWNLOAD_SLOTS limit by domain",
    "DNS_RESOLVER": "names are resolved by asyncio; DNSCACHE_ENABLED, DNSCACHE_SIZE and DNS_TIMEOUT work",
    "DOWNLOADER_CLIENTCONTEXTFACTORY": "DOWNLOAD_TLS_MIN_VERSION, DOWNLOAD_TLS_MAX_VERSION, "
    "DOWNLOADER_CLIENT_TLS_CIPHERS and DOWNLOAD_VERIFY_CERTIFICATES say how TLS is done",
    "DOWNLOADER_CLIENT_TLS_VERBOSE_LOGGING": "response.certificate has the certificate",
    "DOWNLOADER_HTTPCLIENTFACTORY": "use DOWNLOAD_HANDLERS for another HTTP client",
    "DOWNLOADER_MIDDLEWARES_ORDER": "use the numbers in DOWNLOADER_MIDDLEWARES",
    "FORCE_CRAWLER_PROCESS": "there is one way to run a crawl",
    "HTTP2_MAX_FRAME_SIZE": "there is no HTTP/2 download handler",
    "HTTPX_HTTP2_ENABLED": "there is no HTTP/2 download handler",
    "MAIL_FROM": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_HOST": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_PASS": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_PORT": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_SSL": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_TLS": "mails are not sent: use a handler of the spider_closed signal",
    "MAIL_USER": "mails are not sent: use a handler of the spider_closed signal",
    "MEMUSAGE_NOTIFY_MAIL": "mails are not sent: use the memusage_warning_reached signal",
    "REMOTE_CONTROL_ENABLED": "no port listens: use raycrawl.attach() to look at and steer a running crawl",
    "REMOTE_CONTROL_JOBS_DIR": "no port listens: use raycrawl.attach()",
    "REMOTE_CONTROL_OUTPUT_MAX_BYTES": "no port listens: use raycrawl.attach()",
    "REMOTE_CONTROL_TIMEOUT_DEFAULT": "no port listens: use raycrawl.attach()",
    "REMOTE_CONTROL_TIMEOUT_MAX": "no port listens: use raycrawl.attach()",
    "REMOTE_CONTROL_TRACEBACK_MAX_BYTES": "no port listens: use raycrawl.attach()",
    "REQUEST_FINGERPRINTER_IMPLEMENTATION": "there is one implementation; REQUEST_FINGERPRINTER_CLASS replaces it",
    "STATSMAILER_RCPTS": "mails are not sent: use a handler of the spider_closed signal",
    "TELNETCONSOLE_ENABLED": "there is no telnet console: use raycrawl.attach()",
    "TELNETCONSOLE_HOST": "there is no telnet console: use raycrawl.attach()",
    "TELNETCONSOLE_PASSWORD": "there is no telnet console: use raycrawl.attach()",
    "TELNETCONSOLE_PORT": "there is no telnet console: use raycrawl.attach()",
    "TELNETCONSOLE_USERNAME": "there is no telnet console: use raycrawl.attach()",
    "TWISTED_DNS_RESOLVER": "names are resolved by asyncio; DNSCACHE_ENABLED, DNSCACHE_SIZE and DNS_TIMEOUT work",
    "TWISTED_REACTOR": "there is no Twisted: everything runs on asyncio",
    "TWISTED_REACTOR_ENABLED": "there is no Twisted: everything runs on asyncio",
}

# What a project has for Scrapy's sake and that means just what happens here: no word about it.
_AS_IS: dict[str, tuple[Any, ...]] = {
    "REQUEST_FINGERPRINTER_IMPLEMENTATION": ("2.7",),
    "TELNETCONSOLE_ENABLED": (False, 0, "0", "False", "false"),
    "REMOTE_CONTROL_ENABLED": (False, 0, "0", "False", "false"),
    "TWISTED_REACTOR": ("twisted.internet.asyncioreactor.AsyncioSelectorReactor",),
    "TWISTED_REACTOR_ENABLED": (False, 0, "0", "False", "false"),
    "FORCE_CRAWLER_PROCESS": (False, 0, "0", "False", "false"),
}

# Components that a crawl of actors does not take from the settings -> why, and what to use instead.
_NOT_REPLACED: dict[str, str] = {
    "DOWNLOADER": "downloads are made by the Downloader actors; use DOWNLOAD_HANDLERS and DOWNLOADER_MIDDLEWARES",
    "ITEM_PROCESSOR": "items go through ITEM_PIPELINES",
    "SCHEDULER": "the frontier is made of Scheduler actors; JOBDIR keeps it on disk",
    "SCHEDULER_PRIORITY_QUEUE": "the frontier chooses by priority among the domains that are ready",
}

_COMPONENT_DICTS = (
    "DOWNLOADER_MIDDLEWARES", "EXTENSIONS", "ITEM_PIPELINES", "SPIDER_CONTRACTS", "SPIDER_MIDDLEWARES", "ADDONS",
)  # fmt: skip

_GONE_COMPONENTS: dict[str, str] = {
    "extensions.telnet.TelnetConsole": "there is no telnet console: use raycrawl.attach()",
    "extensions.remote_control.RemoteControl": "no port listens: use raycrawl.attach()",
    "extensions.statsmailer.StatsMailer": "mails are not sent: use a handler of the spider_closed signal",
}


def check_settings(settings: BaseSettings) -> None:
    """Check every known setting's value.

    Raises:
        UsageError: some values cannot be used; the message has one line for each: name, value, what is expected.
    """
    problems = [problem for name, check in KINDS.items() if (problem := _problem(settings, name, check))]
    problems += [problem for name in _COMPONENT_DICTS if (problem := _component_problem(settings, name))]
    if problems:
        raise UsageError("these settings cannot be used:\n  " + "\n  ".join(problems), print_help=False)
    warn_of_left_out(settings)


def _problem(settings: BaseSettings, name: str, check: Check) -> str | None:
    value = settings[name]
    if value is None and check.optional:
        return None
    try:
        check.read(value)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return f"{name}={value!r}: expected {check.expected}"
    return None


def _component_problem(settings: BaseSettings, name: str) -> str | None:
    value = settings[name]
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return f"{name}={value!r}: expected a JSON object of import paths and numbers"
    if not isinstance(value, Mapping):
        return f"{name}={value!r}: expected a dictionary of classes (or their import paths) and numbers"
    for component, order in value.items():
        if order is not None and (isinstance(order, bool) or not isinstance(order, (int, float))):
            return f"{name}[{component!r}]={order!r}: expected a number, or None to switch it off"
        if not isinstance(component, str) and not callable(component):
            return f"{name}: {component!r} is neither a class nor an import path"
    return None


def warn_of_left_out(settings: BaseSettings) -> None:
    """Warn once of each setting that is set and has no effect, and of names that look misspelt."""
    for name in settings:
        if not isinstance(name, str):
            continue
        instead = LEFT_OUT.get(name)
        if instead is not None and settings[name] not in _AS_IS.get(name, ()):
            warnings.warn(f"the setting {name} has no effect in raycrawl: {instead}", UserWarning, stacklevel=3)
        elif name.isupper() and (meant := similar_name(name)) is not None:
            warnings.warn(f"there is no setting {name}: is {meant} meant?", UserWarning, stacklevel=3)
    for name, instead in _NOT_REPLACED.items():
        value = settings[name]
        if (translate_path(value) if isinstance(value, str) else value) != getattr(default_settings, name):
            message = f"the setting {name}={value!r} has no effect in raycrawl: {instead}"
            warnings.warn(message, UserWarning, stacklevel=3)
    for component in settings.getdict("EXTENSIONS"):
        for path, instead in _GONE_COMPONENTS.items():
            gone = isinstance(component, str) and component in (f"scrapy.{path}", f"raycrawl.{path}")
            if gone and settings.getdict("EXTENSIONS")[component] is not None:
                warnings.warn(f"the extension {component} does not exist: {instead}", UserWarning, stacklevel=3)


# Settings without a default: the media pipelines read them where they are set.
_WITHOUT_DEFAULT = frozenset(
    {"FILES_EXPIRES", "FILES_RESULT_FIELD", "FILES_URLS_FIELD", "IMAGES_EXPIRES", "IMAGES_MIN_HEIGHT",
     "IMAGES_MIN_WIDTH", "IMAGES_RESULT_FIELD", "IMAGES_THUMBS", "IMAGES_URLS_FIELD", "MEDIA_ALLOW_REDIRECTS"}
)  # fmt: skip
# difflib's ratio for names of 10 letters that differ by one; a project's own settings are hardly that near to ours
_NEARLY_THE_SAME = 0.94


def similar_name(name: str) -> str | None:
    """The setting that ``name`` is probably a misspelling of; None when it is a setting itself, or is like none."""
    known = [known for known in dir(default_settings) if known.isupper()]
    if name in known or name in _WITHOUT_DEFAULT or name in LEFT_OUT:
        return None
    return next(iter(get_close_matches(name, [*known, *_WITHOUT_DEFAULT], 1, _NEARLY_THE_SAME)), None)
