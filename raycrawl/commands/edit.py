"""``raycrawl edit``: a project's spider in your editor."""

from __future__ import annotations

import inspect
import shlex
import subprocess
from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand, one_argument
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Open the file of a spider with the program that the setting EDITOR (or the variable) names."""

    requires_project = True
    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "<spider>"

    def short_desc(self) -> str:
        return "edit a spider's file"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.spiderfile import project_spider

        spidercls = project_spider(self.settings, one_argument(args, "a spider's name"))
        self.exitcode = edit(self.settings["EDITOR"], inspect.getfile(spidercls))


def edit(editor: str, path: str) -> int:
    """Run the editor on the file and return its exit code; no shell looks at the file's name."""
    try:
        return subprocess.call([*shlex.split(editor), path])
    except OSError as error:
        raise UsageError(f"the editor {editor!r} (setting EDITOR) cannot be started: {error.strerror}") from error
