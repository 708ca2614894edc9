"""Asking a judge many times: retries, a meter with a cap, several calls at once, and an end at any time."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from pointsman.cascade.steps import Answers, Ask, Asks, drive
from pointsman.chat import Answer, ask_model
from pointsman.costs.prices import Price
from pointsman.costs.tokens import estimate_tokens
from pointsman.costs.usage import Usage
from pointsman.errors import ConfigurationError, JudgeError, JudgeUnreachableError, PointsmanError
from pointsman.labels.journal import Entry, Journal
from pointsman.trouble import Trouble, retry_after, trouble_of

__all__ = ["Desk", "Job", "Tell", "job_of"]

Tell = Callable[[int, str], None]
"""Takes how many of the open jobs are done, and a line about it."""

PASSING: frozenset[Trouble] = frozenset({"rate_limit", "timeout", "connection", "overloaded", "server", "empty"})
OF_ONE_PROMPT: frozenset[Trouble] = frozenset({"context_overflow", "refusal"})
"""Troubles that the next prompt need not have; this one stays without a label."""
CAUTION = 2
"""A call in flight counts for so many times its estimate, or as the dearest so far, so that the cap holds."""


@dataclass(frozen=True)
class Job:
    """One judgement to be made.

    Attributes:
        key: under which the journal keeps it.
        prompt: the first thing that the judge is asked, for estimates.
        run: makes it, with a function that makes one call.
    """

    key: str
    prompt: str
    run: Callable[[Callable[[Ask], Answer]], float]


def job_of(judge: str, steps: Callable[[], Generator[Asks, Answers, float]]) -> Job:
    """The job of running these steps.

    Args:
        judge: its name. With its first prompt that is the job's key in the journal.
        steps: makes them; they begin by asking the judge one thing.
    """
    (first,) = next(steps())
    key = hashlib.sha256(f"{judge}\0{first.prompt}".encode("utf-8", "replace")).hexdigest()[:32]
    return Job(key, first.prompt, lambda call: drive(steps(), call))


class _EndedError(Exception):
    """No further call is to be made for this job."""


@dataclass(eq=False)
class Desk:
    """Runs jobs, once.

    Attributes:
        journal: what is done already, and what it cost.
        price: of the judge; None if not known.
        cap_usd: for all that the journal holds and all to come; None for no cap.
        attempts: calls for one answer, where the provider fails for a while.
        wait_s: seconds before the second call; it doubles each time, and a longer `Retry-After` goes before it.
        at_once: calls in flight.
        reply_tokens: length of a judge's reply, for estimates.
    """

    journal: Journal
    price: Price | None = None
    cap_usd: float | None = None
    attempts: int = 5
    wait_s: float = 1.0
    at_once: int = 8
    reply_tokens: int = 200
    capped: bool = field(default=False, init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _committed: float = field(default=0.0, init=False)
    _dearest: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.at_once < 1 or self.wait_s < 0 or self.reply_tokens < 1:
            msg = "attempts, at_once and reply_tokens are 1 or more, and wait_s 0 or more; give such values"
            raise ConfigurationError(msg)
        if self.cap_usd is not None and self.cost(Usage(1, 1)) is None:
            msg = "a cap in USD needs the judge's price; give its input and output price in USD per million tokens"
            raise ConfigurationError(msg)
        self._committed = self.journal.spent_usd

    def usage(self, prompt: str) -> Usage:
        """Tokens of one call, by rule of thumb."""
        return Usage(estimate_tokens(prompt), self.reply_tokens, estimated=True)

    def cost(self, usage: Usage) -> float | None:
        """Its price in USD."""
        return None if self.price is None else self.price.cost(usage)

    def open(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs, each once, that the journal holds no judgement of."""
        entries = self.journal.entries
        return [
            job
            for key, job in {job.key: job for job in jobs}.items()
            if key not in entries or entries[key].value is None
        ]

    def run(self, jobs: Sequence[Job], tell: Tell | None = None) -> None:
        """Make the judgements that the journal does not hold; they are in it afterwards.

        At the cap it ends without an error, see `capped`. What is under way when it ends, by Ctrl-C too, is waited for
        and kept, for it is paid for.

        Raises:
            JudgeUnreachableError: the judge fails for good, does not let us in, or refuses how it is asked.
        """
        ahead, done = iter(self.open(jobs)), 0
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                while True:
                    while len(running) < self.at_once and not self._ended.is_set() and (job := next(ahead, None)):
                        running.add(pool.submit(self._one, job))
                    if not running:
                        return
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                    done += len(finished)
                    if tell is not None:
                        tell(done, f"${self.journal.spent_usd:.4f}" if self.price else "")
            finally:
                self._ended.set()

    def _one(self, job: Job) -> None:
        """Make one judgement, and write down what it is and what it took."""
        answers: list[Answer] = []

        def call(ask: Ask) -> Answer:
            answers.append(self._patiently(ask))
            return answers[-1]

        value = None
        try:
            with contextlib.suppress(_EndedError, JudgeError):  # nothing came back that can be read
                value = job.run(call)
        finally:
            if answers:  # what came is paid for
                usage = sum((answer.usage for answer in answers if answer.usage is not None), Usage(0, 0))
                self.journal.add(
                    Entry(job.key, value, len(answers), usage.input_tokens, usage.output_tokens, self.cost(usage))
                )

    def _patiently(self, ask: Ask) -> Answer:
        """The answer, after some attempts where the provider fails for a while."""
        for attempt in range(1, self.attempts + 1):
            found = self._attempt(ask, attempt)
            if isinstance(found, Answer):
                return found
            if self._ended.wait(found):
                break
        raise _EndedError

    def _attempt(self, ask: Ask, attempt: int) -> Answer | float:
        """The answer, or the seconds after which to ask again."""
        held = self._hold(ask.prompt)
        answer = None
        try:
            answer = ask_model(ask.model, ask.prompt, ask.options)
        except PointsmanError:
            raise
        except Exception as error:
            trouble = trouble_of(error)
            if trouble in OF_ONE_PROMPT:
                raise JudgeError(f"{trouble}: {error}") from error
            if trouble not in PASSING or attempt == self.attempts:
                raise JudgeUnreachableError(_told(error, trouble, attempt)) from error
            return float(max(self.wait_s * 2 ** (attempt - 1), retry_after(error) or 0.0))
        finally:
            spent = 0.0 if answer is None or answer.usage is None else self.cost(answer.usage) or 0.0
            with self._lock:
                self._committed += spent - held
                self._dearest = max(self._dearest, spent)
        return answer

    def _hold(self, prompt: str) -> float:
        """Set money aside for a call, in USD."""
        usage = self.usage(prompt)
        held = self.cost(Usage(CAUTION * usage.input_tokens, CAUTION * usage.output_tokens)) or 0.0
        with self._lock:
            held = max(held, self._dearest)
            if self.cap_usd is not None and self._committed + held > self.cap_usd:
                self.capped = True
                self._ended.set()
                raise _EndedError
            self._committed += held
        return held


def _told(error: Exception, trouble: Trouble, attempt: int) -> str:
    tries = f" in {attempt} tries" if attempt > 1 else ""
    why = "try again later" if trouble in PASSING else "mend the key, the model's name or its settings"
    return f"the judge gave no answer{tries} ({type(error).__name__}: {error}); {why}: what it has said so far is kept"
