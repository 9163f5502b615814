"""The command line's base classes: one file of this package is one command.

A command owns its options and what it prints; settings, crawls and downloads are other modules' work. Bad input is a
:class:`~raycrawl.exceptions.UsageError` with a complete message, raised before Ray is started: `raycrawl.cmdline`
prints it on one line of standard error and exits with 2.
"""

from __future__ import annotations

import argparse
import builtins
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raycrawl.crawler import AsyncCrawlerProcess
    from raycrawl.settings import Settings

EXIT_USAGE = 2


class ScrapyHelpFormatter(argparse.HelpFormatter):
    """Help with wide option columns, so that an option and its meaning stay on one line."""

    def __init__(
        self, prog: str, indent_increment: int = 2, max_help_position: int = 34, width: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(prog, indent_increment, max_help_position, width, **kwargs)


class ScrapyCommand:
    """One command. A project's own go into the package named by ``COMMANDS_MODULE``, in a class called ``Command``."""

    requires_project: ClassVar[bool] = False
    #: Settings with the priority "command": above the defaults, below the project's.
    default_settings: ClassVar[dict[str, Any]] = {}
    exitcode = 0
    settings: Settings

    def __init__(self) -> None:
        self._crawler_process: AsyncCrawlerProcess | None = None

    @property
    def crawler_process(self) -> AsyncCrawlerProcess:
        """A process for crawls, made when a command first asks for it."""
        if self._crawler_process is None:
            from raycrawl.crawler import AsyncCrawlerProcess

            self._crawler_process = AsyncCrawlerProcess(self.settings)
        return self._crawler_process

    @crawler_process.setter
    def crawler_process(self, process: AsyncCrawlerProcess | None) -> None:
        self._crawler_process = process

    def syntax(self) -> str:
        """The command's arguments, as the first line of its help shows them."""
        return ""

    def short_desc(self) -> str:
        """One line for the list of commands."""
        return ""

    def long_desc(self) -> str:
        """The first paragraph of the command's help."""
        return self.short_desc()

    def help(self) -> str:
        """The whole help text; the long description unless a command says otherwise."""
        return self.long_desc()

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that every command has; a command's own come on top."""
        group = parser.add_argument_group("common options")
        group.add_argument("--logfile", metavar="FILE", help="write the log to FILE instead of standard error")
        group.add_argument("-L", "--loglevel", metavar="LEVEL", help="CRITICAL, ERROR, WARNING, INFO or DEBUG")
        group.add_argument("--nolog", action="store_true", help="no log at all")
        group.add_argument(
            "--profile", metavar="FILE", help="write a cProfile of this process (not the actors) to FILE"
        )
        group.add_argument("--pidfile", metavar="FILE", help="write this process's id to FILE")
        group.add_argument(
            "-s", "--set", action="append", default=[], metavar="NAME=VALUE", help="set a setting (may be repeated)"
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Turn the common options into settings.

        Raises:
            UsageError: ``-s`` without ``=``, a level that does not exist, a file that cannot be written.
        """
        self.settings.setdict(pairs(opts.set, "-s"), priority="cmdline")
        if opts.logfile:
            check_writable(opts.logfile, "--logfile")
            self.settings.set("LOG_ENABLED", True, priority="cmdline")
            self.settings.set("LOG_FILE", opts.logfile, priority="cmdline")
        if opts.loglevel:
            self.settings.set("LOG_ENABLED", True, priority="cmdline")
            self.settings.set("LOG_LEVEL", log_level(opts.loglevel), priority="cmdline")
        if opts.nolog:
            self.settings.set("LOG_ENABLED", False, priority="cmdline")
        if opts.pidfile:
            check_writable(opts.pidfile, "--pidfile")
            Path(opts.pidfile).write_text(f"{os.getpid()}\n", encoding="ascii")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Do the work; the exit code goes into ``self.exitcode``."""
        raise NotImplementedError(f"{type(self).__name__} has no run(args, opts)")


class BaseRunSpiderCommand(ScrapyCommand):
    """What `crawl` and `runspider` share: spider arguments, feeds and the cluster's address."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_spider_arguments(parser)
        parser.add_argument(
            "-o", "--output", action="append", metavar="URI[:FORMAT]",
            help="append the items to URI; '-:jsonlines' is standard output (may be repeated)",
        )  # fmt: skip
        parser.add_argument(
            "-O", "--overwrite-output", action="append", metavar="URI[:FORMAT]",
            help="write the items to URI and replace what is there (may be repeated)",
        )  # fmt: skip
        parser.add_argument(
            "--address", metavar="RAY",
            help="address of a running Ray cluster (host:port, auto, ray://host:port); otherwise one starts here",
        )  # fmt: skip

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        opts.spargs = pairs(opts.spargs, "-a")
        if opts.output or opts.overwrite_output:
            self.settings.set("FEEDS", self._feeds(opts), priority="cmdline")

    def _feeds(self, opts: argparse.Namespace) -> dict[str, dict[str, Any]]:
        from raycrawl.utils.conf import feed_process_params_from_cli

        if opts.output and opts.overwrite_output:
            raise UsageError("-o appends and -O overwrites: use one of them")
        output: builtins.list[str] = opts.output or []
        return feed_process_params_from_cli(self.settings, output, overwrite_output=opts.overwrite_output or None)


def add_spider_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-a",
        action="append",
        default=[],
        dest="spargs",
        metavar="NAME=VALUE",
        help="set a spider argument (may be repeated)",
    )


def pairs(values: Sequence[str] | dict[str, str], option: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` as a dict. Raises UsageError for a value without a name or without ``=``."""
    if isinstance(values, dict):
        return values
    result = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} takes NAME=VALUE, not {value!r}")
        result[name.strip()] = rest
    return result


def log_level(name: str) -> str:
    """The level's name in capitals. Raises UsageError for an unknown one."""
    import logging

    level = name.upper()
    if not level.isdigit() and level not in logging.getLevelNamesMapping():
        raise UsageError(f"-L takes CRITICAL, ERROR, WARNING, INFO or DEBUG, not {name!r}")
    return level


def check_writable(path: str, option: str) -> None:
    """Raises UsageError unless the file can be written: tried, not guessed from permission bits."""
    try:
        with Path(path).open("ab"):
            pass
    except OSError as error:
        raise UsageError(f"{option}: cannot write {path}: {error.strerror}") from error


def one_argument(args: Sequence[str], what: str) -> str:
    """The only positional argument. Raises UsageError when there is none or more than one."""
    if len(args) != 1:
        raise UsageError(f"give {what}" if not args else f"give one {what}, not {len(args)}: {' '.join(args)}")
    return args[0]
