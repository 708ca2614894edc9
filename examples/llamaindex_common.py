"""What the LlamaIndex examples share: the two models, the index, and the printed bill."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import LLM

from llamaindex_router import PointsmanEmbedding, RouterLLM, RoutingRecorder, routing_totals
from pointsman.cli.demo.models import STRONG, WEAK, llm_pair
from pointsman.cli.demo.standin_llm import StandInLLM
from pointsman.cli.demo.texts import answer_to, load_texts
from pointsman.cli.output import console, print_table, usd, win_rate
from pointsman.errors import PointsmanError

__all__ = ["handbook_index", "print_bill", "routed_llm"]


def routed_llm(answers: Callable[[str], str] = answer_to) -> LLM:
    """A router over the models that the command line names, or STRONG and WEAK of the environment, or two stand-ins.

    Args:
        answers: prompt -> what a stand-in says to it.
    """
    given = sys.argv[1:] or [os.environ[name] for name in ("STRONG", "WEAK") if os.environ.get(name)]
    if len(given) not in (0, 2):
        _refuse(f"usage: {sys.argv[0]} [STRONG WEAK], each as PROVIDER:MODEL; or set STRONG and WEAK")
    if not given:
        print("Stand-ins answer with texts of this project; decisions, token counts and list prices are real.\n")
    try:
        strong, weak = llm_pair(*given) if given else _stand_ins(answers)
        return RouterLLM(strong=strong, weak=weak, strong_share=0.5)
    except PointsmanError as error:
        _refuse(str(error))


def handbook_index(titles: Sequence[str] = ()) -> VectorStoreIndex:
    """The demo's handbook, or the chapters of these titles, in an index that needs no key and no network."""
    chapters = [chapter for chapter in load_texts().handbook if not titles or chapter.title in titles]
    documents = [Document(text=chapter.text, metadata={"title": chapter.title}) for chapter in chapters]
    return VectorStoreIndex.from_documents(documents, embed_model=PointsmanEmbedding())


def print_bill(recorder: RoutingRecorder) -> None:
    """Every decision of a block with what its call cost, and the sum."""
    outcomes = {outcome.decision_id: outcome for outcome in recorder.outcomes}
    rows = [
        [
            decision.stage,
            decision.model,
            win_rate(decision.win_rate),
            usd(outcomes[decision.id].cost_usd),
            decision.reason,
        ]
        for decision in recorder.decisions
    ]
    out = console()
    print_table(out, ["step", "model", "win rate", "cost", "why"], rows, numbers=["win rate", "cost"])
    totals = routing_totals(recorder)
    counts = ", ".join(f"{model} {asked} in + {said} out" for model, (asked, said) in totals.tokens.items())
    baseline, saved = usd(totals.baseline_cost_usd), usd(totals.saved_usd)
    out.print(f"\n{totals.calls} calls, tokens: {counts}")
    out.print(f"cost {usd(totals.cost_usd)}; always the strong model {baseline}; saved {saved}\n")


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)


def _stand_ins(answers: Callable[[str], str]) -> tuple[LLM, LLM]:
    return StandInLLM(model=STRONG, answers=answers), StandInLLM(model=WEAK, answers=answers)
