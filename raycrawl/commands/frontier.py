"""``raycrawl frontier JOBDIR``: what is in a crawl's frontier, while it runs and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raycrawl.commands import ScrapyCommand, check_writable, one_argument
from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    import argparse

    from raycrawl.frontier.inspect import FrontierReport


class Command(ScrapyCommand):
    """Counts by state and by domain, the oldest and the next requests: as a table, as JSON, or into an Arrow file."""

    default_settings = {"LOG_ENABLED": False}

    def syntax(self) -> str:
        return "<jobdir> [--json | --arrow FILE [--part PART]] [--limit N]"

    def short_desc(self) -> str:
        return "look into a crawl's job directory"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument("--json", action="store_true", help="print the report as a JSON object")
        parser.add_argument("--arrow", metavar="FILE", help="write one part to FILE, in Arrow's IPC format")
        parser.add_argument(
            "--part", choices=("domains", "oldest", "next"), default="domains", help="which part --arrow writes"
        )
        parser.add_argument("--limit", type=int, default=10, metavar="N", help="how many requests to show (default 10)")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        from raycrawl.frontier import FrontierStoreError
        from raycrawl.frontier.inspect import inspect_jobdir
        from raycrawl.frontier.jobdir import JobDirError

        try:
            report = inspect_jobdir(one_argument(args, "a job directory (JOBDIR)"), limit=max(0, opts.limit))
        except (JobDirError, FrontierStoreError) as error:
            raise UsageError(str(error)) from error
        if opts.arrow:
            _write_arrow(report, opts.part, opts.arrow)
        else:
            print(report.to_json() if opts.json else report.to_table())


def _write_arrow(report: FrontierReport, part: str, path: str) -> None:
    import pyarrow

    check_writable(path, "--arrow")
    table = report.to_arrow(part)
    with pyarrow.OSFile(path, "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    print(f"{table.num_rows} rows in {path}")
