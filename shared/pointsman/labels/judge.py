"""Labels by a chat model: which of two answers is better, asked in both orders, or how good each answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pointsman.cascade.asking import ChatJudge
from pointsman.chat import Answer, check_model
from pointsman.costs.prices import Price
from pointsman.costs.usage import Usage
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.labels.desk import Desk, Job, Tell, job_of
from pointsman.labels.duels import COMPARE, Comparison, Duel, Pairs, duels_of
from pointsman.labels.journal import Journal
from pointsman.labels.table import AnswerTable

__all__ = ["Estimate", "Judged", "LabelJudge"]


@dataclass(frozen=True)
class Estimate:
    """What labelling will take.

    Attributes:
        calls: that the journal does not hold yet.
        input_tokens, output_tokens: by rule of thumb.
        cost_usd: None where the judge's price is not known.
        spent_usd: what the journal says was spent before.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    spent_usd: float


@dataclass(frozen=True)
class Judged:
    """What a judge said.

    Attributes:
        data: battles, or outcomes; those that the judge did not get to, or gave no readable judgement of, are missing.
        missing: battles or scores that have no label.
        agreed: of the battles asked in both orders, the share in which both said the same; None for outcomes.
        calls: made for this, earlier runs with the same journal included.
        cost_usd: of those; None where the price is not known.
        capped: it ended at the cap.
    """

    data: Battles | Outcomes
    missing: int
    agreed: float | None
    calls: int
    cost_usd: float | None
    capped: bool


@dataclass(frozen=True, eq=False)
class LabelJudge:
    """A chat model that labels answers.

    Each judgement is in the journal before the next is asked for. A run that ended early, at the cap, by an error or by
    Ctrl-C, goes on where it was when it is started again with the same journal.

    Args:
        model: a LangChain chat model, a LlamaIndex LLM, or a function of the prompt.
        name: of that model: the journal keeps judgements apart by it.
        price: of the model, in USD per million tokens.
        cap_usd: the most to spend, earlier runs with this journal included. A call is not made if twice its estimate,
            or the price of the dearest one so far, would pass the cap; with the model's own limit on the length of a
            reply at twice `reply_tokens` it holds from the first call on. None for no cap.
        journal: a jsonl file; None keeps judgements in memory only. It holds hashes and labels, and no text.
        options: keyword arguments of a call.
        compare: the prompt for battles, with {question}, {first} and {second}, asking for "Verdict: A, B or tie".
        tries: how often an unreadable reply is asked for again, the first time included.
        attempts, wait_s, at_once, reply_tokens: see `Desk`.

    Raises:
        ConfigurationError: the model cannot be asked, the prompt lacks a place, or a number is out of range.
    """

    model: Any
    name: str = ""
    price: Price | None = None
    cap_usd: float | None = None
    journal: str | Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    compare: str = COMPARE
    tries: int = 2
    attempts: int = 5
    wait_s: float = 1.0
    at_once: int = 8
    reply_tokens: int = 200

    def __post_init__(self) -> None:
        check_model(self.model)
        if self.cap_usd is not None and self.cap_usd < 0:
            msg = f"cap_usd is {self.cap_usd}; give USD, 0 or more, or None for no cap"
            raise ConfigurationError(msg)
        self._desk(Journal())
        self._comparison()

    def estimate(self, table: AnswerTable, *, grade: bool = False, pairs: Pairs | None = None) -> Estimate:
        """What is still to be asked, and what it will cost if every reply can be read.

        Args:
            table: the answers.
            grade: for `outcomes`, else for `battles`.
            pairs: see `battles`.
        """
        desk = self._desk(Journal(self.journal))
        jobs = self._grades(table) if grade else [job for duel in self._duels(table, pairs) for job in duel.jobs]
        waiting = desk.open(jobs)
        usage = sum((desk.usage(job.prompt) for job in waiting), Usage(0, 0))
        return Estimate(len(waiting), usage.input_tokens, usage.output_tokens, desk.cost(usage), desk.journal.spent_usd)

    def battles(self, table: AnswerTable, *, pairs: Pairs | None = None, tell: Tell | None = None) -> Judged:
        """Compare the models' answers, two at a time, in both orders; where the orders disagree it is a tie.

        Two equal answers are a tie without a call.

        Args:
            table: the answers.
            pairs: of models; every two if not given.
            tell: takes progress.

        Raises:
            DataError: no two models answered the same prompt, or nothing was labelled.
            JudgeUnreachableError: the judge fails for good; what it said so far is in the journal.
        """
        duels = self._duels(table, pairs)
        desk = self._desk(Journal(self.journal))
        desk.run([job for duel in duels for job in duel.jobs], tell)
        found = [(duel, duel.label(desk.journal)) for duel in duels]
        known = [(duel, label) for duel, label in found if label is not None]
        if not known:
            msg = f"none of {len(duels)} battles got a label; raise the cap, or take a judge whose replies can be read"
            raise DataError(msg)
        battles = Battles(
            tuple(table.outcomes.prompts[duel.row] for duel, _ in known),
            tuple(duel.a for duel, _ in known),
            tuple(duel.b for duel, _ in known),
            np.array([label for _, label in known]),
        )
        asked = [duel.said(desk.journal) for duel, _ in known if duel.jobs]
        agreed = float(np.mean([a == b for a, b in asked])) if asked else None
        return self._judged(battles, len(duels) - len(known), agreed, desk)

    def outcomes(self, table: AnswerTable, *, tell: Tell | None = None) -> Judged:
        """Grade each answer from 0 to 10, by the prompt of `pointsman.cascade.ChatJudge`; a tenth is its score.

        Args:
            table: the answers.
            tell: takes progress.

        Raises:
            DataError: nothing was labelled.
            JudgeUnreachableError: the judge fails for good; what it said so far is in the journal.
        """
        desk = self._desk(Journal(self.journal))
        jobs = self._grades(table)
        desk.run(jobs, tell)
        scores = np.full((len(table), len(table.models)), np.nan)
        keys = iter(job.key for job in jobs)
        for row, answers in enumerate(table.answers):
            for column, answer in enumerate(answers):
                entry = None if answer is None else desk.journal.entries.get(next(keys))
                if entry is not None and entry.value is not None:
                    scores[row, column] = entry.value
        if np.isnan(scores).all():
            msg = f"none of {len(jobs)} answers got a grade; raise the cap, or take a judge whose replies can be read"
            raise DataError(msg)
        return self._judged(table.scored(scores), len(jobs) - int((~np.isnan(scores)).sum()), None, desk)

    def _desk(self, journal: Journal) -> Desk:
        return Desk(journal, self.price, self.cap_usd, self.attempts, self.wait_s, self.at_once, self.reply_tokens)

    def _judged(self, data: Battles | Outcomes, missing: int, agreed: float | None, desk: Desk) -> Judged:
        cost = None if self.price is None else desk.journal.spent_usd
        return Judged(data, missing, agreed, desk.journal.calls, cost, desk.capped)

    def _comparison(self) -> Comparison:
        return Comparison(self.model, self.compare, self.tries, self.options)

    def _duels(self, table: AnswerTable, pairs: Pairs | None) -> list[Duel]:
        return duels_of(table, pairs, self._comparison(), self.name)

    def _grades(self, table: AnswerTable) -> list[Job]:
        """A job to every answer, row by row."""
        judge = ChatJudge(self.model, tries=self.tries, calling=self.options)
        return [
            job_of(self.name, partial(judge.judge, question, Answer(answer), model))
            for question, answers in zip(table.outcomes.prompts, table.answers, strict=True)
            for model, answer in zip(table.models, answers, strict=True)
            if answer is not None
        ]
