"""`pointsman calibrate`: a router's rule from the user's own prompts, and what can be guaranteed of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.cli.arguments import add_output, add_pair, pair_of
from pointsman.cli.fitting import check_out, save_router, saved_to, working
from pointsman.cli.prices import add_prices, priced, require_prices
from pointsman.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from pointsman.calibrated import Calibration, Certificate, Estimate
    from pointsman.calibration import WinRates
    from pointsman.cli.arguments import Commands
    from pointsman.data.outcomes import Outcomes
    from pointsman.router import Router

__all__ = ["add_calibrate"]


def add_calibrate(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "calibrate",
        help="set a router's threshold on your own prompts: by share, by budget, or with a guarantee",
        description="Set a router's rule on prompts like those it will serve: by a share of strong calls or a budget, "
        "which need no labels, or by a bound on the quality that is lost, which does. --win-rates makes its win rates "
        "mean what they say.",
    )
    parser.add_argument("--router", default="default", metavar="NAME", help="a shipped router, or a saved one's folder")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--prompts", nargs="+", metavar="FILE", help="one prompt to a line; csv, jsonl, parquet: 'prompt'"
    )
    source.add_argument("--data", nargs="+", metavar="FILE", help="outcomes: csv, jsonl or parquet files")
    wish = parser.add_mutually_exclusive_group(required=True)
    wish.add_argument("--share", type=float, metavar="SHARE", help="share of calls to the strong model")
    wish.add_argument("--budget", type=float, metavar="USD", help="for 1,000 calls, at the models' prices")
    wish.add_argument("--eps", type=float, metavar="LOSS", help="quality that may be lost against always-strong")
    wish.add_argument("--win-rates", action="store_true", help="calibrate the win rates; the decisions stay")
    parser.add_argument("--delta", type=float, default=0.1, metavar="P", help="that --eps may not hold (default: 0.1)")
    parser.add_argument(
        "--loss",
        choices=("net", "worse"),
        default="net",
        help="for --eps: better answers make up for worse ones, or not",
    )
    parser.add_argument("--reply-tokens", type=int, metavar="N", help="length of an answer, for costs (default: 264)")
    add_prices(parser)
    parser.add_argument("--out", metavar="DIR", help="the folder to save to; without it nothing is saved")
    add_pair(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.data.merge import hashes
    from pointsman.router import load_router

    if args.data is None and (args.win_rates or args.eps is not None):
        msg = f"{'--win-rates' if args.win_rates else '--eps'} needs labels; give outcomes with --data"
        raise ConfigurationError(msg)
    out = None if args.out is None else check_out(args.out)
    start = priced(load_router(args.router, pair_of(args.strong, args.weak)), args.price)
    made_from = _made_from(args.router)
    if args.budget is not None or (args.eps is not None and start.pool.strong is None):
        require_prices(start)
    with working("reading"):
        data = _outcomes(args.data) if args.data else _prompts(args.prompts)
    files = hashes(args.data or args.prompts)
    with working(f"calibrating {start.name} on {len(data):,} prompts"):
        if isinstance(data, list):
            ready, facts, lines = _rule(start, data, args)
        else:
            _check_unseen(args.router, made_from, files)
            ready, facts, lines = _win_rates(start, data) if args.win_rates else _rule(start, data, args)
    facts |= {"from": f"{start.name} {start.version}".strip(), "files": files}
    if out is not None:
        fitted = [*made_from.get("data", []), *(files if args.win_rates else [])]
        version = save_router(ready, out, made_from | {"data": fitted, "calibration": facts})
        facts |= {"version": version, "out": str(out)}
        lines.append(saved_to(out))
    if args.json:
        from pointsman.cli.output import print_json

        print_json(facts)
    else:
        print("\n".join(lines))
    return 0


def _made_from(router: str) -> dict[str, Any]:
    """What the manifest of a saved router says that it was made from; nothing for a shipped one."""
    from pointsman.artifacts import read_artifact

    if not (Path(router) / "manifest.json").is_file():
        return {}
    return read_artifact(router, "router").manifest.training


def _check_unseen(router: str, made_from: Mapping[str, Any], files: list[dict[str, str]]) -> None:
    """Whether labels are new to the router.

    Raises:
        ConfigurationError: it was fitted to these very files, and does better on them than it will on others.
    """
    known = {each.get("sha256") for each in made_from.get("data", [])}
    seen = [each["file"] for each in files if each["sha256"] in known]
    if seen:
        msg = f"{router} was fitted to {', '.join(seen)}, so these labels flatter it; calibrate on others"
        raise ConfigurationError(msg)


def _prompts(paths: list[str]) -> list[str]:
    from pointsman.cli.prompts import read_prompts

    return [prompt for path in paths for prompt in read_prompts(path)]


def _outcomes(paths: list[str]) -> Outcomes:
    from pointsman.data.merge import read_data
    from pointsman.data.outcomes import Outcomes

    data = read_data(paths)
    if not isinstance(data, Outcomes):
        msg = "calibration takes outcomes, one column score|<model> for each model, and these are battles"
        raise DataError(msg)
    return data


def _rule(
    router: Router, data: Outcomes | list[str], args: argparse.Namespace
) -> tuple[Router, dict[str, Any], list[str]]:
    from pointsman.calibration import calibrate
    from pointsman.router import REPLY_TOKENS

    found = calibrate(
        router,
        data,
        share=args.share,
        budget=args.budget,
        eps=args.eps,
        delta=args.delta,
        loss=args.loss,
        reply_tokens=REPLY_TOKENS if args.reply_tokens is None else args.reply_tokens,
    )
    return router.with_calibration(found), found.as_dict(), _told(found)


def _told(found: Calibration) -> list[str]:
    lines = [f"asked for: {found.asked}", f"found: {found.reason}"]
    if found.strong_share is not None:
        more = "" if found.rows_to_halve is None else f"; {found.rows_to_halve:,} prompts would halve the interval"
        lines.append(f"strong calls: {_interval(found.strong_share, '.1%')}{more}")
    if found.usd_per_1000 is not None:
        lines.append(f"1,000 calls: {_interval(found.usd_per_1000, '.4f')} USD")
    if found.certificate is not None:
        lines += _certified(found.certificate)
    return lines


def _certified(proof: Certificate) -> list[str]:
    seen = f"loss on these prompts: {proof.loss_seen:.4f} (p = {proof.p_value:.3f})"
    return [f"certificate: {proof}", f"{seen}; data: sha256 {proof.data[:12]}"]


def _interval(found: Estimate, form: str) -> str:
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _win_rates(router: Router, data: Outcomes) -> tuple[Router, dict[str, Any], list[str]]:
    from pointsman.calibration import calibrate_win_rates

    found: WinRates = calibrate_win_rates(router, data)
    numbers = {name: getattr(found, name) for name in ("ece", "ece_before", "brier", "brier_before")}
    lines = [
        f"{found.rows:,} labelled prompts; curve: {found.method}",
        "on prompts that the curve had not seen:",
        f"  expected calibration error: {found.ece_before:.4f} before, {found.ece:.4f} after",
        f"  squared error: {found.brier_before:.4f} before, {found.brier:.4f} after",
    ]
    facts = {"rows": found.rows, "method": found.method, **numbers, "policy": str(found.router.policy)}
    return found.router, facts, lines
