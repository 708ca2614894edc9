"""RouteLLM's 1,307 decontaminated GSM8K problems through RoutedChatModel and RouterLLM, on recorded answers.

    python examples/replay_gsm8k.py [--limit N] [--json]

Each of the two models replays what it really answered (RouteLLM's published file, Apache-2.0): no key, no network, and
the accuracy is that of real answers. Three ways lead to a model: LangChain's `invoke`, LlamaIndex's `chat`, and its
`predict` with a template. The script fails unless all three agree to the last decision and the last token, and unless
the accuracy of the answers that came back is what the outcome table gives for these decisions.

Needs: pip install "pointsman[langchain,llamaindex,data]", and the data folder (POINTSMAN_DATA, default ../shared/data).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage
from llama_index.core import ChatPromptTemplate
from llama_index.core.llms import ChatMessage, MessageRole
from rich.console import Console
from rich.progress import Progress

import langchain_router
import llamaindex_router
from pointsman import Candidate, Decision, Outcome, Pool, load_router
from pointsman.artifacts import read_shipped
from pointsman.cli.demo.standin_chat import StandInChat
from pointsman.cli.demo.standin_llm import StandInLLM
from pointsman.cli.output import console, print_json, print_table, share, usd
from pointsman.data.outcomes import Outcomes
from pointsman.records import Totals

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
INSTRUCTION = "Solve the problem step by step. End with the number."
SOURCES = {"routellm/gsm8k", "zeroeval/gsm"}  # these problems, as training records name them

Answer = tuple[str, Decision, Outcome]
Way = Callable[[str], Answer]


@dataclass(frozen=True)
class Problem:
    """A problem; per model its recorded answer, whether that file calls it right, and the outcome table's score."""

    text: str
    answers: dict[str, str]
    right: dict[str, bool]
    scores: dict[str, float]


@dataclass(frozen=True)
class Line:
    """What came of one threshold."""

    asked_share: float
    threshold: float
    calls: int
    strong_share: float
    accuracy: float
    in_sample: bool
    random_accuracy: float
    cost_usd: float | None
    always_strong_usd: float | None
    saved_usd: float | None


def main() -> None:
    args = parse_args()
    problems = read_problems(args.data)[: args.limit]
    answers = {problem.text: problem.answers for problem in problems}
    pool = Pool.pair(Candidate("strong", model=STRONG), Candidate("weak", model=WEAK))
    router = load_router("default", pool)
    in_sample = bool(SOURCES & set(read_shipped("default", "router").manifest.training["prompts"]))
    bar = Console(stderr=True)
    lines = []
    with Progress(console=bar, transient=True, disable=not bar.is_terminal) as progress:
        task = progress.add_task("replaying", total=len(SHARES) * len(problems))
        for asked in SHARES:
            threshold = router.threshold_for_share(asked)
            ways = {"LangChain invoke": langchain_way(answers, threshold), **llamaindex_ways(answers, threshold)}
            totals = Totals()
            right = 0
            by_table = 0.0
            for problem in problems:
                answer, decision, outcome = the_same(problem, ways)
                totals.add(decision, outcome)
                right += problem.right[speaker(problem, answer)]
                by_table += problem.scores[decision.model]
                progress.advance(task)
            expect(right == by_table, f"{right} answers were right, and the outcome table gives {by_table}")
            lines.append(summary(problems, asked, threshold, right, totals, in_sample=in_sample))
    show(lines, problems, as_json=args.json)


def parse_args() -> argparse.Namespace:
    default = os.environ.get("POINTSMAN_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=default, help="folder of the outcome data")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N problems only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    if not (Path(args.data) / "routellm").is_dir():
        parser.error(f"no folder {args.data}/routellm; set POINTSMAN_DATA or --data to the outcome data")
    args.data = Path(args.data)
    return args


def read_problems(data: Path) -> list[Problem]:
    """The problems that RouteLLM keeps: answers from its csv, scores from the outcome table."""
    folder = data / "routellm"
    table = Outcomes.read(folder / "routellm_mmlu_gsm8k.parquet")
    columns = {model: table.score(model) for model in (STRONG, WEAK)}
    row_of = {prompt: row for row, prompt in enumerate(table.prompts)}
    with (folder / "gsm8k" / "contaminated_prompts.jsonl").open(encoding="utf-8") as file:
        dropped = {json.loads(line)["eval_prompt"] for line in file}
    with (folder / "gsm8k" / "gsm8k_responses.csv").open(encoding="utf-8", newline="") as file:
        kept = [row for row in csv.DictReader(file) if row["prompt"] not in dropped]
    return [
        Problem(
            row["prompt"],
            answers={model: row[f"{model}_response"] for model in columns},
            right={model: row[model] == "True" for model in columns},
            scores={model: float(scores[row_of[row["prompt"]]]) for model, scores in columns.items()},
        )
        for row in kept
    ]


def langchain_way(answers: Mapping[str, Mapping[str, str]], threshold: float) -> Way:
    strong, weak = (StandInChat(model=m, provider=None, answers=replayed(answers, m)) for m in (STRONG, WEAK))
    model = langchain_router.RoutedChatModel(strong=strong, weak=weak, threshold=threshold)

    def ask(problem: str) -> Answer:
        message = model.invoke([SystemMessage(INSTRUCTION), HumanMessage(problem)])
        decision, outcome = langchain_router.routing_decision(message), langchain_router.routing_outcome(message)
        expect(decision is not None and outcome is not None, "a message came back without its record")
        return message.text, decision, outcome

    return ask


def llamaindex_ways(answers: Mapping[str, Mapping[str, str]], threshold: float) -> dict[str, Way]:
    strong, weak = (StandInLLM(model=m, answers=replayed(answers, m)) for m in (STRONG, WEAK))
    llm = llamaindex_router.RouterLLM(strong=strong, weak=weak, threshold=threshold)
    system = ChatMessage(role=MessageRole.SYSTEM, content=INSTRUCTION)
    template = ChatPromptTemplate([system, ChatMessage(role=MessageRole.USER, content="{query_str}")])

    def chat(problem: str) -> str:
        return llm.chat([system, ChatMessage(role=MessageRole.USER, content=problem)]).message.content or ""

    def predict(problem: str) -> str:
        return llm.predict(template, query_str=problem)

    def recorded(method: Callable[[str], str]) -> Way:
        def ask(problem: str) -> Answer:
            with llamaindex_router.RoutingRecorder() as recorder:
                answer = method(problem)
            return answer, recorder.decisions[0], recorder.outcomes[0]

        return ask

    return {"LlamaIndex chat": recorded(chat), "LlamaIndex predict": recorded(predict)}


def replayed(answers: Mapping[str, Mapping[str, str]], model: str) -> Callable[[str], str]:
    return lambda problem: answers[problem][model]


def the_same(problem: Problem, ways: Mapping[str, Way]) -> Answer:
    """What every way brings back."""
    found = {name: ask(problem.text) for name, ask in ways.items()}
    facts = {
        name: (answer, decision.candidate, decision.win_rate, outcome.input_tokens, outcome.output_tokens)
        for name, (answer, decision, outcome) in found.items()
    }
    expect(len(set(facts.values())) == 1, f"the frameworks disagree: {facts}")
    return next(iter(found.values()))


def speaker(problem: Problem, answer: str) -> str:
    """The model whose recorded answer this is, whatever the decision says."""
    models = [model for model, recorded in problem.answers.items() if recorded == answer]
    expect(len(models) == 1, f"no one model gave this answer: {answer[:80]!r}")
    return models[0]


def summary(
    problems: Sequence[Problem], asked: float, threshold: float, right: int, totals: Totals, *, in_sample: bool
) -> Line:
    part = totals.by_candidate.get("strong", 0) / totals.calls
    return Line(
        asked_share=asked,
        threshold=threshold,
        calls=totals.calls,
        strong_share=part,
        accuracy=right / totals.calls,
        in_sample=in_sample,
        random_accuracy=part * accuracy(problems, STRONG) + (1 - part) * accuracy(problems, WEAK),
        cost_usd=totals.cost_usd,
        always_strong_usd=totals.baseline_cost_usd,
        saved_usd=totals.saved_usd,
    )


def accuracy(problems: Sequence[Problem], model: str) -> float:
    return sum(problem.right[model] for problem in problems) / len(problems)


def show(lines: Sequence[Line], problems: Sequence[Problem], *, as_json: bool) -> None:
    alone = {model: accuracy(problems, model) for model in (STRONG, WEAK)}
    if as_json:
        print_json({"problems": len(problems), "alone": alone, "lines": [asdict(line) for line in lines]})
        return
    rows = [
        (
            f"{line.threshold:.4f}",
            f"{line.asked_share:.0%}",
            f"{line.strong_share:.1%}",
            f"{line.accuracy:.1%}{' (in sample)' if line.in_sample else ''}",
            f"{line.random_accuracy:.1%}",
            usd(line.cost_usd),
            usd(line.always_strong_usd),
            f"{usd(line.saved_usd)} ({share(line.saved_usd, line.always_strong_usd)})",
        )
        for line in lines
    ]
    columns = ("threshold", "asked", "strong", "accuracy", "at random", "cost", "always strong", "saved")
    out = console()
    print_table(out, columns, rows, numbers=columns)
    out.print(f"\n{len(problems)} GSM8K problems; alone {STRONG} gets {alone[STRONG]:.1%}, {WEAK} {alone[WEAK]:.1%}.")
    out.print("LangChain and LlamaIndex agree on every decision and token; accuracy is what the outcome table gives.")
    if lines[0].in_sample:
        out.print("In sample: the shipped router was trained on these problems, so its accuracy here is flattered.")


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"replay_gsm8k: {otherwise}")


if __name__ == "__main__":
    main()
