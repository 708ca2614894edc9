"""`pointsman label`: scores or battles from answers, against a key or by a chat model as judge."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.cli.arguments import add_output, model_spec
from pointsman.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.costs import Price
    from pointsman.labels import Estimate, Judged, LabelJudge

__all__ = ["add_label"]

_ENDINGS = (".csv", ".jsonl", ".parquet")


def add_label(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "label",
        help="make outcomes or battles from models' answers",
        description="Label answers, a column answer|MODEL for each model: against a key, or by a chat model as judge.",
    )
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    golden = kinds.add_parser("golden", help="compare answers with a key; gives outcomes")
    golden.add_argument("--key", required=True, metavar="COLUMN", help="the column of right answers")
    golden.add_argument(
        "--match",
        default="auto",
        choices=("auto", "exact", "words", "choice", "number"),
        help="what must be the same (default: auto, by the key)",
    )
    golden.set_defaults(run=_golden)
    judge = kinds.add_parser("judge", help="have a chat model compare two answers at a time; gives battles")
    _add_judge(judge)
    judge.set_defaults(run=_judge)
    for kind in (golden, judge):
        kind.add_argument("--data", required=True, metavar="FILE", help="answers: a csv, jsonl or parquet file")
        kind.add_argument("--out", required=True, metavar="FILE", help="where to write: .csv, .jsonl or .parquet")
        add_output(kind)


def _add_judge(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--judge", metavar="PROVIDER:MODEL", help="a chat model, by LangChain's init_chat_model")
    who.add_argument("--judge-object", metavar="MODULE:NAME", help="a chat model, LLM or function in a module of yours")
    parser.add_argument("--max-usd", required=True, type=float, metavar="USD", help="the most to spend, resumed or not")
    parser.add_argument("--price", nargs=2, type=float, metavar=("IN", "OUT"), help="USD per million tokens")
    parser.add_argument("--base-url", metavar="URL", help="where --judge is served, if not at its provider's")
    parser.add_argument("--grade", action="store_true", help="grade each answer from 0 to 10 instead; gives outcomes")
    parser.add_argument("--pair", nargs=2, action="append", metavar=("A", "B"), help="compare these models only")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N prompts only")
    parser.add_argument("--journal", metavar="FILE", help="judgements so far (default: OUT.journal.jsonl)")
    parser.add_argument("--at-once", type=int, default=8, metavar="N", help="calls in flight (default: 8)")
    parser.add_argument(
        "--reply-tokens", type=int, default=200, metavar="N", help="of a reply, expected (default: 200)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, and stop")


def _golden(args: argparse.Namespace) -> int:
    from pointsman.labels import AnswerTable, golden_labels

    out = _out(args.out)
    found = golden_labels(AnswerTable.read(args.data, key=args.key), args.match)
    found.outcomes.write(out)
    means = _means(found.outcomes.scores, found.outcomes.models)
    if args.json:
        _print_json({"out": str(out), "prompts": len(found.outcomes), "mean": means, "unread": found.unread})
        return 0
    print(f"{len(found.outcomes):,} prompts labelled; saved to {out}")
    for model, mean in means.items():
        unread = f"; nothing to compare in {found.unread[model]:,} answers" if found.unread[model] else ""
        print(f"{model}: {mean:.1%} right{unread}")
    return 0


def _judge(args: argparse.Namespace) -> int:
    from pointsman.labels import AnswerTable

    out = _out(args.out)
    table = AnswerTable.read(args.data)
    if args.limit is not None:
        if args.limit < 1:
            msg = f"--limit {args.limit}: give 1 prompt or more"
            raise ConfigurationError(msg)
        table = table.select(range(min(args.limit, len(table))))
    judge = _make(args, out)
    estimate = judge.estimate(table, grade=args.grade, pairs=args.pair)
    _tell_estimate(estimate, args, judge)
    if args.dry_run:
        if args.json:
            _print_json({"calls": estimate.calls, "estimated_usd": estimate.cost_usd, "spent_usd": estimate.spent_usd})
        return 0
    from pointsman.training.progress import progress_bar

    try:
        with progress_bar("judging", estimate.calls) as tell:
            found = judge.outcomes(table, tell=tell) if args.grade else judge.battles(table, pairs=args.pair, tell=tell)
    except KeyboardInterrupt:
        print(f"\nwhat was judged is in {judge.journal}; the same command goes on from there", file=sys.stderr)
        raise
    found.data.write(out)
    _report(found, args, out)
    return 0


def _make(args: argparse.Namespace, out: Path) -> LabelJudge:
    """The judge of the arguments."""
    from pointsman.labels import LabelJudge

    spec = args.judge or args.judge_object
    if args.judge is not None:
        provider, name = model_spec(args.judge)
        price = _price(args, name, provider)
        # a reply that is cut at twice its expected length keeps the cap to the cent
        options = {"max_tokens": 2 * args.reply_tokens, "max_retries": 0}
        model = _chat_model(args.judge, options | ({"base_url": args.base_url} if args.base_url else {}))
    else:
        price, model = _price(args, spec, None), _object(args.judge_object)
    return LabelJudge(
        model,
        name=spec,
        price=price,
        cap_usd=args.max_usd,
        journal=args.journal or f"{out}.journal.jsonl",
        at_once=args.at_once,
        reply_tokens=args.reply_tokens,
    )


def _price(args: argparse.Namespace, model: str, provider: str | None) -> Price:
    from pointsman.costs import Price, find_price

    found = Price(*args.price) if args.price else find_price(model, provider)
    if found is None:
        msg = f"no list price is known for {model}; give --price IN OUT, in USD per million tokens (0 0 if it is free)"
        raise ConfigurationError(msg)
    return found


def _chat_model(spec: str, options: dict[str, Any]) -> Any:
    try:
        make: Callable[..., Any] = importlib.import_module("langchain.chat_models").init_chat_model
    except ImportError as error:
        raise MissingExtraError("langchain", "agents") from error
    try:
        return make(spec, **options)
    except (ImportError, ValueError) as error:
        msg = f"--judge {spec}: {error}"
        raise ConfigurationError(msg) from error


def _object(spec: str) -> Any:
    """What MODULE:NAME names, the current folder's modules among them."""
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"--judge-object {spec}: {error}; write MODULE:NAME of a chat model, an LLM or a function of the prompt"
        raise ConfigurationError(msg) from error
    finally:
        sys.path.pop(0)


def _out(path: str) -> Path:
    """Where to write, refused before anything is paid for."""
    file = Path(path)
    if file.suffix.lower() not in _ENDINGS or not file.parent.is_dir():
        msg = f"--out {path}: give a file ending in {', '.join(_ENDINGS)}, in a folder that is there"
        raise ConfigurationError(msg)
    return file


def _tell_estimate(estimate: Estimate, args: argparse.Namespace, judge: LabelJudge) -> None:
    cost = estimate.cost_usd or 0.0
    above = "; that is above the cap, where it will end" if cost + estimate.spent_usd > args.max_usd else ""
    print(
        f"{judge.name}: {estimate.calls:,} calls to make, about {estimate.input_tokens:,} tokens in and "
        f"{estimate.output_tokens:,} out, ${cost:.4f}; spent before: ${estimate.spent_usd:.4f}; "
        f"cap: ${args.max_usd:.4f}{above}",
        file=sys.stderr,
        flush=True,
    )


def _report(found: Judged, args: argparse.Namespace, out: Path) -> None:
    from pointsman.data.outcomes import Battles

    data = found.data
    if isinstance(data, Battles):
        what = "battles"
        shares = {name: float((data.labels == value).mean()) for name, value in (("a", 1.0), ("tie", 0.5), ("b", 0.0))}
    else:
        what, shares = "scores", _means(data.scores, data.models)
    facts = {
        "out": str(out),
        "labelled": len(data) if isinstance(data, Battles) else int((data.scores == data.scores).sum()),
        "missing": found.missing,
        "shares" if what == "battles" else "mean": shares,
        "agreed": found.agreed,
        "calls": found.calls,
        "cost_usd": found.cost_usd,
        "capped": found.capped,
    }
    if args.json:
        _print_json(facts)
        return
    print(f"{facts['labelled']:,} {what} from {found.calls:,} calls, ${found.cost_usd or 0:.4f}; saved to {out}")
    print("  ".join(f"{name}: {value:.1%}" for name, value in shares.items()))
    if found.agreed is not None:
        print(f"both orders gave the same verdict on {found.agreed:.1%}; the others are ties")
    if found.missing:
        why = "the cap was reached: raise --max-usd" if found.capped else "their replies could not be read: try again"
        print(f"{found.missing:,} have no label; {why}, and the same command goes on from there")


def _means(scores: Any, models: tuple[str, ...]) -> dict[str, float]:
    """Mean score per model with one."""
    kept = {model: scores[:, column][scores[:, column] == scores[:, column]] for column, model in enumerate(models)}
    return {model: float(values.mean()) for model, values in kept.items() if len(values)}


def _print_json(value: Any) -> None:
    from pointsman.cli.output import print_json

    print_json(value)
