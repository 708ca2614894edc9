"""Feedback on routed calls, from LangSmith or from wherever else, as outcomes that a router learns from.

Prompts are text of users: nothing here keeps them unless it is asked to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, convert_to_messages

from langchain_router.record import routing_outcome
from langchain_router.scored import Scored, Turns, question
from pointsman.decision import Decision
from pointsman.errors import DataError
from pointsman.records import ROUTING_KEY, decision_from, outcome_from

if TYPE_CHECKING:
    from langsmith import Client

    from langchain_router.model import RoutedChatModel
    from pointsman.data.outcomes import Outcomes

__all__ = ["RoutedRun", "ask_all", "langsmith_scores", "rated_outcomes", "routed_runs"]

_PAGE = 50
"""Runs whose feedback is asked for at a time; their ids go into a URL."""


@dataclass(frozen=True)
class RoutedRun:
    """A routed call that can be rated.

    Attributes:
        run_id: of the router's run.
        decision: what was decided.
        trace_id: of the outermost run around it; empty if not known.
        cost_usd: what the call cost, if known.
        prompt: the words that were scored; empty unless prompts are kept.
    """

    run_id: str
    decision: Decision
    trace_id: str = ""
    cost_usd: float | None = None
    prompt: str = ""


def routed_runs(
    runs: Iterable[Any], *, prompts: bool = False, scored: Scored | Turns | int = "last"
) -> list[RoutedRun]:
    """The routed calls among runs of LangSmith; all others are passed over.

    Args:
        runs: `langsmith.schemas.Run` objects, or their fields as dicts (an export).
        prompts: keep the words that were scored. Training needs them.
        scored: which words these are, as the router was told.
    """
    which = Scored.of(scored)
    found = []
    for run in runs:
        fields = run if isinstance(run, Mapping) else vars(run)
        record = (fields.get("outputs") or {}).get(ROUTING_KEY)
        decision = decision_from(record) if isinstance(record, Mapping) else None
        if decision is not None:
            outcome = outcome_from(record)
            found.append(
                RoutedRun(
                    run_id=str(fields["id"]),
                    decision=decision,
                    trace_id=str(fields.get("trace_id") or ""),
                    cost_usd=None if outcome is None else outcome.cost_usd,
                    prompt=_asked((fields.get("inputs") or {}).get("messages"), which) if prompts else "",
                )
            )
    return found


def langsmith_scores(
    client: Client, runs: Sequence[RoutedRun], keys: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Mean score in [0, 1] of each routed call that has feedback, by decision id.

    Feedback on the router's run counts, and so does feedback on the whole trace if the trace holds one routed call
    alone: of several, nobody can say which one was meant.

    Args:
        client: LangSmith's.
        runs: routed calls.
        keys: feedback key -> the scores that are worst and best, such as {"user_score": (0, 1), "stars": (1, 5)}.

    Raises:
        DataError: a score lies outside its key's range, or a range is empty.
    """
    for key, (worst, best) in keys.items():
        if worst == best:
            msg = f"the range of {key} is ({worst}, {best}); give the worst and the best score"
            raise DataError(msg)
    alone = Counter(run.trace_id for run in runs)
    ids = {run.run_id: run.decision.id for run in runs}
    ids |= {run.trace_id: run.decision.id for run in runs if run.trace_id and alone[run.trace_id] == 1}
    scores: dict[str, list[float]] = {}
    listed = list(ids)
    for start in range(0, len(listed), _PAGE):
        for item in client.list_feedback(run_ids=listed[start : start + _PAGE], feedback_key=list(keys)):
            if item.score is not None:
                scores.setdefault(ids[str(item.run_id)], []).append(
                    _scaled(item.key, float(item.score), keys[item.key])
                )
    return {decision: sum(found) / len(found) for decision, found in scores.items()}


def rated_outcomes(runs: Iterable[RoutedRun], scores: Mapping[str, float]) -> Outcomes:
    """The calls that have a score, as a table with a column per model; NaN for the models that were not asked.

    Args:
        runs: routed calls, with their prompts.
        scores: quality of the answer in [0, 1], by decision id or by id of the router's run; from LangSmith or not.

    Raises:
        DataError: no call has a score, a score is not in [0, 1], or the prompts were not kept.
    """
    from pointsman.data.feedback import RatedCall, outcomes_of

    rated = []
    for run in runs:
        score = scores.get(run.decision.id, scores.get(run.run_id))
        if score is None:
            continue
        if not run.prompt:
            msg = f"run {run.run_id} was collected without its prompt; collect with prompts=True (keep_prompts=True)"
            raise DataError(msg)
        rated.append(RatedCall(run.prompt, run.decision.model, score, run.cost_usd, run.decision.stage))
    return outcomes_of(rated)


def ask_all(
    model: RoutedChatModel, prompts: Sequence[str], score: Callable[[str, AIMessage], float], **config: Any
) -> Outcomes:
    """Every model's answer to every prompt, scored: what feedback on chosen answers cannot tell, at the price of all.

    A call that fails leaves a gap; if all of a model's fail, the first error is raised.

    Args:
        model: its models are asked, and not its router.
        prompts: a sample of the prompts that matter, a few hundred to be of use.
        score: quality of an answer to a prompt, in [0, 1].
        config: of the calls, such as `max_concurrency` or `callbacks`.

    Raises:
        DataError: a score is not in [0, 1], or there are no prompts.
    """
    from pointsman.data.feedback import RatedCall, outcomes_of

    rated: list[RatedCall] = []
    for candidate in model._router.pool:  # noqa: SLF001  # of this package
        named: Any = {**config, "configurable": {**config.get("configurable", {}), "router_candidate": candidate.name}}
        answers: list[Any] = model.batch(list(prompts), named, return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed and len(failed) == len(answers):
            raise failed[0]
        for prompt, answer in zip(prompts, answers, strict=True):
            if not isinstance(answer, Exception):
                outcome = routing_outcome(answer)
                cost = None if outcome is None else outcome.cost_usd
                rated.append(RatedCall(prompt, candidate.model, score(prompt, answer), cost))
    return outcomes_of(rated)


def _scaled(key: str, score: float, span: tuple[float, float]) -> float:
    worst, best = span
    scaled = (score - worst) / (best - worst)
    if not 0 <= scaled <= 1:
        msg = f"a score of {score:g} for {key} lies outside ({worst:g}, {best:g}); give the key's own worst and best"
        raise DataError(msg)
    return scaled


def _asked(messages: Any, scored: Scored) -> str:
    """The words that a router scores in the messages of a run, which may be dicts."""
    if not isinstance(messages, Sequence) or not messages:
        return ""
    return question(convert_to_messages(messages), scored)[0]
