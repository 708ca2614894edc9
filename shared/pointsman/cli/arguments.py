"""Arguments that commands share, and a parser that says what is wrong in one line."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from pointsman.errors import ConfigurationError
from pointsman.pool import Candidate, Pool

__all__ = ["OneLineParser", "add_output", "add_pair", "add_rule", "model_spec", "natural", "pair_of", "refuse_tty"]

_SPEC = re.compile(r"(?:(?P<provider>[A-Za-z_-]+):)?(?P<model>[^:](?:.*[^:])?)", re.DOTALL)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors fit one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[OneLineParser]  # noqa: SLF001  # argparse has no public name for it


def add_pair(parser: argparse.ArgumentParser) -> None:
    """`--strong` and `--weak`."""
    form = "PROVIDER:MODEL or MODEL"
    parser.add_argument("--strong", metavar="MODEL", help=f"the strong model, as {form}")
    parser.add_argument("--weak", metavar="MODEL", help=f"the weak model, as {form}")


def add_rule(parser: argparse.ArgumentParser) -> None:
    """`--threshold` or `--strong-share`."""
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--threshold", type=float, metavar="RATE", help="strong where the win rate is at least this")
    rule.add_argument("--strong-share", type=float, metavar="SHARE", help="share of calls for the strong model")


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def natural(text: str) -> int:
    """A number of 0 or more, such as a seed.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal():
        msg = f"{text!r} is no whole number of 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def model_spec(spec: str) -> tuple[str | None, str]:
    """Provider (or None) and model of "openai:gpt-4o" or "gpt-4o".

    Raises:
        ConfigurationError: there is no model in it.
    """
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        msg = f"{spec!r} names no model; write PROVIDER:MODEL, such as openai:gpt-4o, or MODEL"
        raise ConfigurationError(msg)
    return found["provider"], found["model"]


def pair_of(strong: str | None, weak: str | None) -> Pool | None:
    """The pool of two models given by name; None where neither is.

    Raises:
        ConfigurationError: only one is given, or a name is empty.
    """
    if strong is None and weak is None:
        return None
    if strong is None or weak is None:
        missing = "--strong" if strong is None else "--weak"
        msg = f"a pair needs both models; add {missing} MODEL"
        raise ConfigurationError(msg)
    candidates = []
    for role, spec in (("strong", strong), ("weak", weak)):
        provider, model = model_spec(spec)
        candidates.append(Candidate(role, model=model, provider=provider))
    return Pool.pair(*candidates)


def refuse_tty() -> None:
    """Nothing is piped in, so waiting for it would look like a hang.

    Raises:
        ConfigurationError: standard input is a terminal.
    """
    if sys.stdin.isatty():
        msg = "- reads prompts from standard input, and that is a terminal; pipe lines in, or give --file"
        raise ConfigurationError(msg)
