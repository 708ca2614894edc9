"""`pointsman`, the command line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from pointsman.cli.adapt import add_adapt
from pointsman.cli.arguments import OneLineParser
from pointsman.cli.calibrate import add_calibrate
from pointsman.cli.data import add_data
from pointsman.cli.demo import add_demo
from pointsman.cli.evaluate import add_evaluate
from pointsman.cli.label import add_label
from pointsman.cli.ledger import add_ledger
from pointsman.cli.replace import add_replace
from pointsman.cli.report import add_report
from pointsman.cli.route import add_route
from pointsman.cli.train import add_train
from pointsman.errors import ArtifactNotFoundError, ConfigurationError, DataError, PointsmanError, QueryError

__all__ = ["main"]

_BAD_USAGE = (ArtifactNotFoundError, ConfigurationError, DataError, QueryError)
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments after the program's name; those of the process if not given.

    Returns:
        Exit code: 0; 1 for a failure; 2 for arguments, files or data that are to be mended; 130 for Ctrl-C.

    Raises:
        SystemExit: from argparse, for bad usage, `--help` and `--version`.
    """
    args = _parser().parse_args(argv)
    args.command_line = shlex.join(["pointsman", *(sys.argv[1:] if argv is None else argv)])
    run: Callable[..., int] = args.run
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # no letter of a prompt is worth a traceback
    try:
        code = run(args)
        sys.stdout.flush()  # a reader who has left is met here, and not at exit
        return code
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except PointsmanError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 2 if isinstance(error, _BAD_USAGE) else 1
    except OSError as error:
        if error.filename is None:  # a disk that is full, and the like
            print(f"pointsman: {error.strerror or error}", file=sys.stderr)
            _drop_output()
            return 1
        print(f"pointsman: {error.filename}: {error.strerror}; give another path", file=sys.stderr)
        return 2


def _drop_output() -> None:
    """What cannot be written is not tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> OneLineParser:
    from pointsman import __version__

    parser = OneLineParser(prog="pointsman", description="Send each LLM call to the model it needs.")
    parser.add_argument("--version", action="version", version=f"pointsman {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_demo(commands)
    add_route(commands)
    add_train(commands)
    add_adapt(commands)
    add_replace(commands)
    add_calibrate(commands)
    add_label(commands)
    add_data(commands)
    add_evaluate(commands)
    add_report(commands)
    add_ledger(commands)
    return parser
