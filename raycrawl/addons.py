"""Add-ons: components that change the settings of a crawl before it starts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from raycrawl.exceptions import NotConfigured
from raycrawl.utils.conf import build_component_list
from raycrawl.utils.misc import build_from_crawler, load_object

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.settings import BaseSettings, Settings

logger = logging.getLogger(__name__)


class AddonManager:
    """Loads the add-ons of the ``ADDONS`` setting.

    Attributes:
        addons: those that are enabled, in their order.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.addons: list[Any] = []

    def load_settings(self, settings: Settings) -> None:
        """Build every add-on and let it change ``settings`` by its ``update_settings(settings)``.

        One that raises NotConfigured, when built or then, is left out. Settings that come from another process of the
        same crawl have been changed there.
        """
        is_new = "addons" not in settings.applied
        settings.applied |= {"addons"}
        for entry in build_component_list(settings.getdict("ADDONS")):
            try:
                addon_class = load_object(entry)
                addon = build_from_crawler(addon_class, self.crawler)
                if is_new and hasattr(addon, "update_settings"):
                    addon.update_settings(settings)
            except NotConfigured as error:
                if error.args:
                    logger.warning("Disabled the add-on %s: %s", entry, error.args[0], extra={"crawler": self.crawler})
                continue
            self.addons.append(addon)
        if self.addons:
            logger.info("Enabled add-ons: %r", self.addons, extra={"crawler": self.crawler})

    @classmethod
    def load_pre_crawler_settings(cls, settings: BaseSettings) -> None:
        """Let the add-ons change settings that are read before there is a crawler, e.g. ``SPIDER_MODULES``.

        Calls the class method ``update_pre_crawler_settings(settings)`` of those that have it.
        """
        for entry in build_component_list(settings.getdict("ADDONS")):
            addon_class = load_object(entry)
            if hasattr(addon_class, "update_pre_crawler_settings"):
                addon_class.update_pre_crawler_settings(settings)
