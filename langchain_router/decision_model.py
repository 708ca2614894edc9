"""`RouterDecisionModel`: the router as a decision model, for LangChain's own `ModelRouterMiddleware` and its like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import langchain_core
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import InstanceOf, PrivateAttr

from langchain_router.scored import Scored, Turns, question
from pointsman.configure import configure_router
from pointsman.decision import Decision
from pointsman.errors import ConfigurationError, OutdatedExtraError, QueryError
from pointsman.policies import Policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.records import decision_metadata
from pointsman.router import Router

try:
    from langchain_core.decisions import (
        Answer,
        BaseDecisionModel,
        Choice,
        ChoiceAnswer,
        ClassifierResponse,
        Noul,
        NoulAnswer,
        Question,
        State,
    )
except ImportError:
    raise OutdatedExtraError("RouterDecisionModel", "langchain-core", "1.8", langchain_core.__version__) from None

__all__ = ["RouterDecisionModel"]


class RouterDecisionModel(BaseDecisionModel):
    """Answers which model a message needs, from a router's scores: locally, in well under a millisecond.

    A `Choice` among the names of candidates is answered by the router's decision. For a pair its probabilities are the
    win rate and what is left of it: how likely each gives the better answer. For more models they are the predicted
    qualities as shares. So the choice, which weighs cost, need not be the most probable label; its confidence is its
    own probability. Criteria and instructions are not read: the router was trained on what models answered.

    A `Noul` is answered with the win rate: whether the strong model is needed. Other questions are refused.

    Args:
        pool: the candidates; their names are the labels of a choice. Or the names of a strong and a weak model.
        router: a router, or the name or folder of a saved one.
        threshold: win rate in [0, 1] from which the strong model is chosen.
        strong_share: share of calls in [0, 1] for the strong model, instead of a threshold.
        policy: any other rule of choice.
        scored: which words decide, as for `RoutedChatModel`.

    Raises:
        ConfigurationError: the pool, the rule and the router do not go together.
        ArtifactError: the named router does not exist or is damaged.
    """

    model: str = "pointsman"
    router: InstanceOf[Router]

    _scored: Scored = PrivateAttr()

    def __init__(
        self,
        pool: Pool | None = None,
        *,
        router: Router | str = "default",
        threshold: float | None = None,
        strong_share: float | None = None,
        policy: Policy | None = None,
        scored: Scored | Turns | int = "last",
        **fields: Any,
    ) -> None:
        if pool is None and not isinstance(router, Router):
            msg = "give the candidates as pool=Pool.pair(strong, weak), or a router that has them"
            raise ConfigurationError(msg)
        over = router.pool if pool is None and isinstance(router, Router) else pool
        rule = {"threshold": threshold, "strong_share": strong_share, "policy": policy}
        built = configure_router(over, router, **rule)  # type: ignore[arg-type]  # one of two has a pool
        super().__init__(**{"model": built.name, **fields, "router": built})
        self._scored = Scored.of(scored)

    @property
    def _provider(self) -> str:
        return "pointsman"

    def _classify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        query = self._query(state)
        return self._answered({name: (asked, self.router.decide(query)) for name, asked in questions.items()})

    async def _aclassify(self, state: State, questions: dict[str, Question]) -> ClassifierResponse:
        query = self._query(state)
        return self._answered({name: (asked, await self.router.adecide(query)) for name, asked in questions.items()})

    def _query(self, state: State) -> Query:
        text, source = question(_messages(state), self._scored)
        return Query(text, source=source)

    def _answered(self, decided: Mapping[str, tuple[Question, Decision]]) -> ClassifierResponse:
        answers: dict[str, Answer] = {}
        for name, (asked, decision) in decided.items():
            _note(decision)
            answers[name] = self._answer(name, asked, decision)
        return ClassifierResponse(model=self.model, answers=answers)

    def _answer(self, name: str, asked: Question, decision: Decision) -> NoulAnswer | ChoiceAnswer:
        if isinstance(asked, Choice):
            self._check_labels(name, asked)
            likely = self._probabilities(decision)
            chosen = decision.candidate
            return ChoiceAnswer(type="choice", choice=chosen, probabilities=likely, confidence=likely[chosen])
        if isinstance(asked, Noul) and decision.win_rate is not None:
            return NoulAnswer(type="noul", noul=decision.win_rate)
        msg = (
            f"a router cannot answer {name}, a {type(asked).__name__}; "
            f"ask for a Choice among {', '.join(self.router.pool.names)}, or where there is a pair for a Noul"
        )
        raise QueryError(msg)

    def _check_labels(self, name: str, asked: Choice) -> None:
        if set(asked.criteria) != set(self.router.pool.names):
            msg = (
                f"{name} is a choice among {', '.join(asked.criteria)}, and the candidates are "
                f"{', '.join(self.router.pool.names)}; give both the same names"
            )
            raise ConfigurationError(msg)

    def _probabilities(self, decision: Decision) -> dict[str, float]:
        pool = self.router.pool
        if decision.win_rate is not None and len(pool) == 2 and pool.strong is not None and pool.weak is not None:
            return {pool.strong: decision.win_rate, pool.weak: 1 - decision.win_rate}
        total = sum(decision.quality.values())
        if not total:
            return dict.fromkeys(pool.names, 1 / len(pool))
        return {name: decision.quality[name] / total for name in pool.names}


def _messages(state: Any) -> list[BaseMessage]:
    """What a state holds of a conversation: its messages, else its texts as one message."""
    if isinstance(state, BaseMessage):
        return [state]
    if isinstance(state, Mapping):
        inner = state.get("messages")
        return _messages(inner) if inner is not None else [HumanMessage("\n".join(_texts(state)))]
    if isinstance(state, Sequence) and not isinstance(state, str) and any(isinstance(m, BaseMessage) for m in state):
        return [message for message in state if isinstance(message, BaseMessage)]
    return [HumanMessage("\n".join(_texts(state)))]


def _texts(state: Any) -> list[str]:
    if isinstance(state, str):
        return [state]
    if isinstance(state, BaseMessage):
        return [str(state.text)]
    parts = state.values() if isinstance(state, Mapping) else state if isinstance(state, Sequence) else ()
    return [text for part in parts for text in _texts(part)]


def _note(decision: Decision) -> None:
    """The decision into the metadata of the run, where one is traced."""
    from langsmith.run_helpers import get_current_run_tree

    run = get_current_run_tree()
    if run is not None:
        run.add_metadata(decision_metadata(decision))
