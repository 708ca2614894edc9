"""`--price`: what a model's tokens cost, where the price tables do not know it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pointsman.errors import ConfigurationError
from pointsman.pool import Pool

if TYPE_CHECKING:
    from pointsman.router import Router

__all__ = ["add_prices", "priced", "require_prices"]

_FORM = "MODEL=IN/OUT"


def add_prices(parser: argparse.ArgumentParser) -> None:
    """`--price`."""
    about = "USD per million tokens in and out, where no list price is known or yours differs: strong=2.5/10"
    parser.add_argument("--price", nargs="+", default=[], metavar=_FORM, help=about)


def priced(router: Router, prices: Sequence[str]) -> Router:
    """The router over the same models at these prices; itself where none is given.

    Raises:
        ConfigurationError: a text is not of the form, names no candidate or model of the router, or holds a price that
            is none.
    """
    if not prices:
        return router
    given = dict(_price_of(text) for text in prices)
    candidates = list(router.pool)
    known = {name for each in candidates for name in (each.name, each.model)}
    for name in given:
        if name not in known:
            msg = f"--price {name}: the models are {', '.join(each.model for each in candidates)}; name one of them"
            raise ConfigurationError(msg)
    for row, each in enumerate(candidates):
        pair = given.get(each.name, given.get(each.model))
        if pair is not None:
            candidates[row] = replace(each, input_price=pair[0], output_price=pair[1])
    return router.with_pool(Pool(candidates, strong=router.pool.strong, weak=router.pool.weak))


def require_prices(router: Router) -> None:
    """That the price of every model is known.

    Raises:
        ConfigurationError: one is not; the mend is of this command.
    """
    unknown = [each.model for each in router.pool if None in (each.price.input, each.price.output)]
    if unknown:
        msg = (
            f"this needs prices, and none is known for {', '.join(unknown)}; "
            f"add --price {' '.join(f'{name}=IN/OUT' for name in unknown[:3])}, USD per million tokens in and out"
        )
        raise ConfigurationError(msg)


def _price_of(text: str) -> tuple[str, tuple[float, float]]:
    name, _, amounts = text.rpartition("=")
    try:
        given, answered = (float(amount) for amount in amounts.split("/"))
    except ValueError as error:
        msg = f"--price {text}: write {_FORM}, such as strong=2.5/10 for USD per million tokens in and out"
        raise ConfigurationError(msg) from error
    return name, (given, answered)
