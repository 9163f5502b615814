"""``raycrawl check``: run the contracts in the docstrings of a project's spiders."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from unittest import TextTestResult as _TextTestResult
from unittest import TextTestRunner

from raycrawl.commands import ScrapyCommand, add_spider_arguments, pairs
from raycrawl.contracts import ContractsManager

if TYPE_CHECKING:
    import argparse

    from raycrawl.spiders import Spider


class TextTestResult(_TextTestResult):
    """unittest's result, with a summary for checks that ran asynchronously."""

    def printSummary(self, start_s: float, stop_s: float) -> None:
        """One line on how many contracts ran, one on how it went."""
        write = self.stream.writeln
        write(self.separator2)
        write(f"Ran {self.testsRun} contract{'' if self.testsRun == 1 else 's'} in {stop_s - start_s:.3f}s")
        write()
        if self.wasSuccessful():
            write("OK")
            return
        counts = {"failures": len(self.failures), "errors": len(self.errors)}
        write(f"FAILED ({', '.join(f'{name}={count}' for name, count in counts.items() if count)})")


class Command(ScrapyCommand):
    """Check spiders against their contracts; exit code 1 when one does not hold."""

    requires_project = True
    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "[options] [spider]..."

    def short_desc(self) -> str:
        return "check spiders against their contracts"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        add_spider_arguments(parser)
        parser.add_argument("-l", "--list", action="store_true", help="list the contracts, check nothing")
        parser.add_argument("-v", "--verbose", action="store_true", help="print each contract")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.utils.log import configure_logging
        from raycrawl.utils.misc import load_object, set_environ

        configure_logging(self.settings)
        manager = ContractsManager(
            load_object(contract) for contract in _ordered(self.settings.getwithbase("SPIDER_CONTRACTS"))
        )
        arguments = pairs(opts.spargs, "-a")
        with set_environ(SCRAPY_CHECK="true"):
            classes = self._classes(args)
            if opts.list:
                _print_contracts(manager, classes)
                return
            runner = TextTestRunner(verbosity=2 if opts.verbose else 1)
            result = TextTestResult(runner.stream, runner.descriptions, runner.verbosity)
            start_s = time.monotonic()
            for spidercls in classes:
                asyncio.run(self._check(spidercls, arguments, manager, result))
            result.printErrors()
            result.printSummary(start_s, time.monotonic())
        self.exitcode = 0 if result.wasSuccessful() else 1

    def _classes(self, names: list[str]) -> list[type[Spider]]:
        from raycrawl.spiderfile import project_spider, project_spiders

        return [project_spider(self.settings, name) for name in names or sorted(project_spiders(self.settings).list())]

    async def _check(
        self, spidercls: type[Spider], arguments: dict[str, str], manager: ContractsManager, result: TextTestResult
    ) -> None:
        from raycrawl.localcrawl import LocalCrawl

        async with LocalCrawl(spidercls, self.settings, arguments) as local:
            for request in manager.from_spider(local.spider, result):
                if request is not None:
                    await local.scrape(request)


def _ordered(components: Any) -> list[Any]:
    from raycrawl.utils.conf import build_component_list

    return build_component_list(components)


def _print_contracts(manager: ContractsManager, classes: list[type[Spider]]) -> None:
    for spidercls in classes:
        methods = manager.tested_methods_from_spidercls(spidercls)
        if methods:
            print(spidercls.name)
            for method in sorted(methods):
                print(f"  * {method}")
