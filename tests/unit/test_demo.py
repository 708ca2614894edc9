"""The demo shows what the core decides, counts and prices; only its answers are made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="the demo needs the langchain extra")
pytest.importorskip("llama_index.core", reason="the demo needs the llamaindex extra")

from llama_index.core.llms import ChatMessage, ChatResponse
from pydantic import PrivateAttr

from pointsman import Candidate, Pool, Usage, count_tokens, load_router
from pointsman.cli import main
from pointsman.cli.demo.models import STRONG, WEAK, chat_pair, llm_pair
from pointsman.cli.demo.rows import Row, totals_of
from pointsman.cli.demo.standin_chat import StandInChat
from pointsman.cli.demo.standin_llm import StandInLLM
from pointsman.cli.demo.texts import answer_to, load_texts, pieces
from pointsman.cli.demo.through_langchain import SYSTEM, through_langchain
from pointsman.cli.demo.through_llamaindex import through_llamaindex
from pointsman.costs import find_price
from pointsman.errors import ConfigurationError
from tests.support.openai_server import openai_server

POOL = Pool.pair(Candidate("strong", model=STRONG, provider="openai"), Candidate("weak", model=WEAK, provider="openai"))
EXCHANGES = {exchange.prompt: exchange for exchange in (*load_texts().chain, *load_texts().questions)}


class Listening(StandInLLM):
    """A stand-in that remembers what it was sent."""

    _heard: list[list[str]] = PrivateAttr(default_factory=list)

    def _reply(self, messages: Sequence[ChatMessage]) -> ChatResponse:
        self._heard.append([message.content or "" for message in messages])
        return super()._reply(messages)


def tokens(text: str, model: str) -> int:
    count = count_tokens(text, model)
    assert not count.estimated
    return count.tokens


def agrees_with_the_core(row: Row) -> None:
    decided = load_router("default", POOL).decide(row.prompt)
    shown = row.decision
    assert (shown.candidate, shown.model, shown.win_rate, shown.threshold, shown.quality, shown.reason) == (
        decided.candidate, decided.model, decided.win_rate, decided.threshold, decided.quality, decided.reason,
    )  # fmt: skip
    assert row.outcome.output_tokens == tokens(row.answer, shown.model)
    usage = Usage(row.outcome.input_tokens or 0, row.outcome.output_tokens or 0)
    own, strong = find_price(shown.model, "openai"), find_price(STRONG, "openai")
    assert own is not None
    assert strong is not None
    assert row.outcome.cost_usd == own.cost(usage)
    assert row.outcome.baseline_cost_usd == strong.cost(usage)
    assert row.outcome.saved_usd == pytest.approx((strong.cost(usage) or 0) - (own.cost(usage) or 0))
    assert (row.outcome.estimated, row.outcome.error, row.outcome.attempts) == (False, None, 1)


def test_the_chain_shows_what_the_core_says(socket_disabled: None) -> None:
    rows = list(through_langchain(*chat_pair(None, None)))
    assert [(row.prompt, row.answer) for row in rows] == [(e.prompt, e.answer) for e in load_texts().chain]
    for row in rows:
        agrees_with_the_core(row)
        asked = tokens(SYSTEM, row.decision.model) + tokens(row.prompt, row.decision.model)
        assert (row.outcome.input_tokens, row.decision.source) == (asked, "message")


@pytest.mark.usefixtures("thread_loop")
def test_the_query_engine_shows_what_the_core_says_of_the_question(socket_disabled: None) -> None:
    strong, weak = Listening(model=STRONG), Listening(model=WEAK)
    rows = list(through_llamaindex(strong, weak))
    assert [(row.prompt, row.answer) for row in rows] == [(e.prompt, e.answer) for e in load_texts().questions]
    heard = {"strong": iter(strong._heard), "weak": iter(weak._heard)}
    for row in rows:
        agrees_with_the_core(row)
        sent = next(heard[row.decision.candidate])
        assert (row.outcome.input_tokens, row.decision.source) == (
            sum(tokens(text, row.decision.model) for text in sent),
            "template",
        )
        chapters = [chapter for chapter in load_texts().handbook if chapter.text in "".join(sent)]
        assert len(chapters) == 3
    assert [list(rest) for rest in heard.values()] == [[], []]


@pytest.mark.usefixtures("thread_loop")
def test_retrieval_finds_the_chapter_that_a_question_is_about(socket_disabled: None) -> None:
    strong, weak = Listening(model=STRONG), Listening(model=WEAK)
    list(through_llamaindex(strong, weak, threshold=0.0))
    titles = (
        "Uniform", "Passengers", "Hours", "Passengers", "Hours", "Pay", "Order", "Single-line",
    )  # fmt: skip
    for title, sent in zip(titles, strong._heard, strict=True):
        assert any(c.text in "".join(sent) for c in load_texts().handbook if c.title.startswith(title)), title


@pytest.mark.usefixtures("thread_loop")
def test_the_command_prints_these_rows(socket_disabled: None, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*through_langchain(*chat_pair(None, None)), *through_llamaindex(*llm_pair(None, None))]
    assert main(["demo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stand_ins"] is True
    assert [settled(row) for row in told["rows"]] == [settled(row.as_dict()) for row in rows]
    assert told["totals"]["calls"] == len(EXCHANGES) == 20
    assert told["totals"]["cost_usd"] == pytest.approx(sum(row.outcome.cost_usd or 0 for row in rows))
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    for row in rows:
        line = next(line for line in text.splitlines() if line.startswith(row.prompt[:20]))
        assert f" {row.outcome.input_tokens}/{row.outcome.output_tokens} " in line
        assert f" ${row.outcome.cost_usd:.6f} " in line or f" {row.outcome.cost_usd:.6f} " in line
        assert f" {row.decision.win_rate:.3f} " in line
    assert "Answers are stand-ins" in text
    totals = totals_of(rows)
    assert f"{totals.by_candidate['strong']} to the strong model" in text
    assert f"saved ${totals.saved_usd:.6f}" in text


def settled(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what differs from run to run."""
    decision = {key: value for key, value in row["decision"].items() if key not in ("id", "latency_ms")}
    outcome = {key: value for key, value in row["outcome"].items() if key not in ("decision_id", "latency_ms")}
    return row | {"decision": decision, "outcome": outcome}


def test_the_demo_routes_both_ways() -> None:
    router = load_router("default", POOL)
    chosen = {router.decide(prompt).candidate for prompt in EXCHANGES}
    assert chosen == {"strong", "weak"}


@pytest.mark.usefixtures("thread_loop")
@pytest.mark.parametrize(("threshold", "candidate"), [("0", "strong"), ("1", "weak")])
def test_a_rule_reaches_both_frameworks(threshold: str, candidate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", "--threshold", threshold]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert totals["by_candidate"] == {candidate: 20}
    assert (totals["saved_usd"] > 0) == (candidate == "weak")


@pytest.mark.usefixtures("thread_loop")
def test_real_models_take_the_same_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("langchain_openai")
    pytest.importorskip("llama_index.llms.openai")
    with openai_server() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert main(["demo", "--strong", f"openai:{STRONG}", "--weak", f"openai:{WEAK}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stand_ins"] is False
    assert len(told["rows"]) == len(server.requests) == 20
    router = load_router("default", POOL)
    for row, request in zip(told["rows"], server.requests, strict=True):
        assert row["answer"].startswith(f"{request['model']} has read ")
        assert row["decision"]["model"] == request["model"] == router.decide(row["prompt"]).model
        assert row["outcome"]["cost_usd"] > 0


@pytest.mark.usefixtures("thread_loop")
def test_a_model_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("langchain_openai")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_MAX_RETRIES", "0")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    assert main(["demo", "--strong", f"openai:{STRONG}", "--weak", f"openai:{WEAK}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pointsman: a model's call failed: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("make", "spec", "mend"),
    [
        (llm_pair, "no-such-provider:model", "write PROVIDER:MODEL with one of anthropic"),
        (llm_pair, "gpt-4o", "names no provider"),
        (llm_pair, "ollama:llama3.1", "pip install llama-index-llms-ollama"),
        (chat_pair, "ollama:llama3.1", "langchain-ollama"),
        (chat_pair, "no-such-provider:model", "LangChain's no-such-provider:model failed"),
    ],
)
def test_a_model_that_cannot_be_made_says_what_to_do(make: Any, spec: str, mend: str) -> None:
    with pytest.raises(ConfigurationError, match=mend):
        make(spec, spec)


def test_every_prompt_has_an_answer_of_its_own() -> None:
    assert len({exchange.answer for exchange in EXCHANGES.values()}) == len(EXCHANGES) == 20
    for prompt, exchange in EXCHANGES.items():
        assert answer_to(f"Context.\n{prompt}\nAnswer:") == exchange.answer
    assert "stand-in" in answer_to("something else")


@pytest.mark.parametrize("text", ["", "one", " a  b\n\nc ", *(e.answer for e in EXCHANGES.values())])
def test_pieces_make_up_the_answer(text: str) -> None:
    assert "".join(pieces(text)) == text


async def test_stand_ins_stream_what_they_answer() -> None:
    prompt = load_texts().chain[5].prompt
    chat, llm = StandInChat(model=STRONG), StandInLLM(model=STRONG)
    streamed = list(chat.stream(prompt))
    assert "".join(chunk.text for chunk in streamed) == chat.invoke(prompt).text == answer_to(prompt)
    assert [chunk.usage_metadata for chunk in streamed if chunk.usage_metadata] == [chat.invoke(prompt).usage_metadata]
    for responses in (list(llm.stream_complete(prompt)), [r async for r in await llm.astream_complete(prompt)]):
        assert "".join(r.delta or "" for r in responses) == responses[-1].text == llm.complete(prompt).text
        assert responses[-1].raw == llm.complete(prompt).raw == (await llm.acomplete(prompt)).raw


@pytest.mark.parametrize("missing", ["langchain_core", "llama_index"])
def test_without_a_framework_it_asks_for_both_at_once(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pointsman.cli.demo.find_spec", lambda name: None if name == missing else object())
    assert main(["demo"]) == 1
    assert 'pip install "pointsman[langchain,llamaindex]"' in capsys.readouterr().err
