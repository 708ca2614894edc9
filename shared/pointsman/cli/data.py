"""`pointsman data`: published data sets, from their public homes to the data folder."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli.arguments import OneLineParser, add_output
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.data.fetch import Dataset

__all__ = ["add_data"]

FOLDER = "pointsman-data"
"""Where data sets go unless --out or POINTSMAN_DATA says otherwise."""


def add_data(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "data", help="fetch published data sets", description="Published data sets to evaluate and train on."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=OneLineParser)
    fetching = actions.add_parser(
        "fetch",
        help="download a data set",
        description="Download a data set from its public home; run again, it goes on where it was cut off.",
    )
    fetching.add_argument("name", metavar="NAME", help="see: pointsman data list")
    fetching.add_argument("--out", metavar="DIR", help=f"the data folder (default: POINTSMAN_DATA, else {FOLDER})")
    add_output(fetching)
    fetching.set_defaults(run=_fetch)
    listing = actions.add_parser("list", help="what there is to fetch", description="What there is to fetch.")
    add_output(listing)
    listing.set_defaults(run=_list)


def _fetch(args: argparse.Namespace) -> int:
    from pointsman.data.fetch import RECORD, catalogue, fetch

    known = catalogue()
    if args.name not in known:
        msg = f"there is no data set {args.name!r}; there are {', '.join(known)}"
        raise ConfigurationError(msg)
    dataset, folder = known[args.name], Path(args.out or os.environ.get("POINTSMAN_DATA") or FOLDER)
    with _bar(dataset) as progress:
        paths = fetch(dataset, folder, progress=progress)
    size = sum(path.stat().st_size for path in paths)
    if args.json:
        from pointsman.cli.output import print_json

        told = {"name": args.name, "folder": str(folder), "files": [str(path) for path in paths], "bytes": size}
        print_json(told | {"pinned": dataset.pinned})
        return 0
    print(f"{args.name}: {len(paths)} files, {size:,} bytes in {folder}; licence: {dataset.licence}")
    if not dataset.pinned:
        print(f"no hash of it was known: what came is recorded in {folder / RECORD}, and must come again")
    return 0


def _list(args: argparse.Namespace) -> int:
    from pointsman.cli.output import console, print_json, print_table
    from pointsman.data.fetch import catalogue

    sets = catalogue().values()
    if args.json:
        print_json([_facts(each) for each in sets])
        return 0
    rows = [
        (each.name, str(len(each.files)), "yes" if each.pinned else "on first fetch", each.licence, each.what)
        for each in sets
    ]
    print_table(console(), ("name", "files", "hash known", "licence", "what"), rows, numbers=("files",))
    return 0


def _facts(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "what": dataset.what,
        "licence": dataset.licence,
        "home": dataset.home,
        "files": len(dataset.files),
        "pinned": dataset.pinned,
    }


@contextlib.contextmanager
def _bar(dataset: Dataset) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _path, _have, _all: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from pointsman.cli.output import console

    sizes = [file.size for file in dataset.files]
    total = sum(size for size in sizes if size is not None) if None not in sizes else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(sys.stderr)) as progress:
        task = progress.add_task(dataset.name, total=total)
        here: dict[str, int] = {}

        def tell(path: str, have: int, whole: int | None) -> None:
            here[path] = have
            alone = {"total": whole} if total is None and len(sizes) == 1 else {}
            progress.update(task, completed=sum(here.values()), description=Path(path).name, **alone)  # type: ignore[arg-type]  # total takes None

        yield tell
