"""What the LlamaIndex examples share: the two models, the index, and the printed bill."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bill import asked_models, print_decisions, print_totals, refuse
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import LLM

from llamaindex_router import PointsmanEmbedding, RouterLLM, RoutingRecorder, routing_totals
from pointsman.cli.demo.models import STRONG, WEAK, llm_pair
from pointsman.cli.demo.standin_llm import StandInLLM
from pointsman.cli.demo.texts import answer_to, load_texts
from pointsman.errors import PointsmanError

__all__ = ["handbook_index", "print_bill", "routed_llm"]


def routed_llm(answers: Callable[[str], str] = answer_to) -> LLM:
    """A router over the models that the command line names, or STRONG and WEAK of the environment, or two stand-ins.

    Args:
        answers: prompt -> what a stand-in says to it.
    """
    given = asked_models()
    try:
        strong, weak = llm_pair(*given) if given else _stand_ins(answers)
        return RouterLLM(strong=strong, weak=weak, strong_share=0.5)
    except PointsmanError as error:
        refuse(str(error))


def handbook_index(titles: Sequence[str] = ()) -> VectorStoreIndex:
    """The demo's handbook, or the chapters of these titles, in an index that needs no key and no network."""
    chapters = [chapter for chapter in load_texts().handbook if not titles or chapter.title in titles]
    documents = [Document(text=chapter.text, metadata={"title": chapter.title}) for chapter in chapters]
    return VectorStoreIndex.from_documents(documents, embed_model=PointsmanEmbedding())


def print_bill(recorder: RoutingRecorder) -> None:
    """Every decision of a block with what its call cost, and the sum."""
    print_decisions(recorder.decisions, recorder.outcomes)
    print_totals(routing_totals(recorder))


def _stand_ins(answers: Callable[[str], str]) -> tuple[LLM, LLM]:
    return StandInLLM(model=STRONG, answers=answers), StandInLLM(model=WEAK, answers=answers)
