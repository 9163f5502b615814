"""``raycrawl list``: the names of a project's spiders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Print the project's spiders, one name a line."""

    requires_project = True
    default_settings = {"LOG_ENABLED": False}

    def short_desc(self) -> str:
        return "list the project's spiders"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.spiderfile import project_spiders

        for name in sorted(project_spiders(self.settings).list()):
            print(name)
