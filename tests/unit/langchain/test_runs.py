"""What tracers see: one chain run, the chosen model's run inside it, the decision everywhere, tokens once."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.context import collect_runs
from langsmith import Client

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision, routing_outcome
from pointsman import count_tokens
from tests.support.langchain import HARD, FakeChat, Recording, routed

Drive = Callable[[RoutedChatModel, dict[str, Any]], Any]


def _gather(stream: Any) -> Any:
    async def go() -> list[Any]:
        return [chunk async for chunk in stream]

    return asyncio.run(go())


DRIVES: dict[str, Drive] = {
    "invoke": lambda model, config: model.invoke("hi", config),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config)),
    "stream": lambda model, config: list(model.stream("hi", config)),
    "astream": lambda model, config: _gather(model.astream("hi", config)),
    "batch": lambda model, config: model.batch(["hi"], config),
    "abatch": lambda model, config: asyncio.run(model.abatch(["hi"], config)),
    "generate": lambda model, config: model.generate_prompt([model._convert_input("hi")], **config),
    "agenerate": lambda model, config: asyncio.run(model.agenerate_prompt([model._convert_input("hi")], **config)),
    "stream_events v3": lambda model, config: model.stream_events("hi", config, version="v3").output,
    "astream_events v3": lambda model, config: asyncio.run(_events_v3(model, config)),
}


async def _events_v3(model: RoutedChatModel, config: dict[str, Any]) -> Any:
    stream = await model.astream_events("hi", config, version="v3")
    return await stream


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> Drive:
    return DRIVES[request.param]


def test_the_chosen_models_run_lies_inside_the_routers(drive: Drive) -> None:
    seen = Recording()
    drive(routed(), {"callbacks": [seen]})
    ((chain, above, _),) = seen.named("chain_start")
    ((_, parent, _),) = seen.named("chat_model_start")
    assert (above, parent) == (None, chain)
    assert [seen.order[0], seen.order[1], seen.order[-2], seen.order[-1]] == [
        "chain_start",
        "custom_event",
        "llm_end",
        "chain_end",
    ]


def test_every_channel_tells_the_same_decision_once(drive: Drive) -> None:
    seen = Recording()
    drive(routed(), {"callbacks": [seen]})
    ((chain, _, ended),) = seen.named("chain_end")
    ((where, _, event),) = seen.named("custom_event")
    ((_, _, child),) = seen.named("chat_model_start")
    record, message = ended["outputs"]["routing"], ended["outputs"]["output"]
    assert (where, event["name"]) == (chain, "routing_decision")
    assert event["data"] == {key: value for key, value in record.items() if key != "outcome"}
    assert message.response_metadata["routing"] == record
    assert child["metadata"]["router_candidate"] == record["candidate"] == "weak"
    assert child["metadata"]["router_decision_id"] == record["id"]
    assert child["metadata"]["ls_model_name"] == "small"
    assert record["outcome"]["output_tokens"] == message.usage_metadata["output_tokens"]
    assert record["outcome"]["cost_usd"] < record["outcome"]["baseline_cost_usd"]
    json.dumps(record)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")  # of the bare model's v3 streams
def test_tokens_are_counted_once(drive: Drive) -> None:
    counter, bare = UsageMetadataCallbackHandler(), UsageMetadataCallbackHandler()
    small = FakeChat(model="small")
    drive(routed(), {"callbacks": [counter]})
    drive(small, {"callbacks": [bare]})  # v3 streams lose the details of usage before langchain-core 1.4.8
    assert counter.usage_metadata == bare.usage_metadata
    assert counter.usage_metadata["small"]["output_tokens"] == small.invoke("hi").usage_metadata["output_tokens"]


def test_an_error_of_the_model_is_the_callers_and_ends_both_runs(drive: Drive) -> None:
    seen = Recording()
    with RoutingRecorder() as recorder, pytest.raises(RuntimeError, match=r"^out of order$"):
        drive(routed(weak=FakeChat(model="small", fails="out of order")), {"callbacks": [seen]})
    # a v3 stream hands the error on before its own task reports it, so on Python 3.13 the router's run may end first
    assert sorted(name for name in seen.order if "error" in name) == ["chain_error", "llm_error"]
    assert [outcome.error for outcome in recorder.outcomes] == ["RuntimeError"]
    assert "chain_end" not in seen.order


def test_langsmith_gets_costs_on_the_routers_run_and_usage_on_the_models_alone(drive: Drive) -> None:
    session = MagicMock()
    client = Client(session=session, auto_batch_tracing=False, info={}, api_key="none", api_url="http://127.0.0.1:1")
    tracer = LangChainTracer(client=client)
    drive(routed(), {"callbacks": [tracer]})
    tracer.wait_for_futures()
    runs: dict[str, dict[str, Any]] = {}
    for call in session.request.mock_calls:
        if call.args and call.args[0] in ("POST", "PATCH"):
            body = json.loads(call.kwargs["data"])
            key = body.get("id") or call.args[1].rsplit("/", 1)[-1]
            runs.setdefault(key, {}).update(body)
    chain = next(run for run in runs.values() if run.get("run_type") == "chain")
    model = next(run for run in runs.values() if run.get("run_type") == "llm")
    assert len(runs) == 2
    assert model["parent_run_id"] == chain["id"]
    noted = chain["extra"]["metadata"]
    assert noted["router_candidate"] == "weak"
    assert noted["router_cost_usd"] > 0
    assert noted["router_saved_usd"] == noted["router_baseline_cost_usd"] - noted["router_cost_usd"]
    assert "usage_metadata" not in noted
    assert "usage_metadata" not in chain["outputs"]
    assert model["extra"]["metadata"]["usage_metadata"]["output_tokens"] > 0
    assert model["extra"]["metadata"]["ls_model_name"] == "small"


def test_run_name_id_tags_and_metadata_belong_to_the_routers_run() -> None:
    with collect_runs() as runs:
        routed(tags=["mine"], metadata={"team": "a"}).invoke(
            "hi", {"run_name": "ask", "tags": ["call"], "metadata": {"user": "b"}}
        )
    (chain,) = runs.traced_runs
    (child,) = chain.child_runs
    assert (chain.name, child.name) == ("ask", "FakeChat")
    assert set(chain.tags or []) >= {"mine", "call"}
    assert chain.extra["metadata"].items() >= {"team": "a", "user": "b"}.items()
    assert set(child.tags or []) >= {"mine", "call"}, "tags such as nostream act on the model's run"


def test_callbacks_on_the_router_hear_its_run_and_the_models_once() -> None:
    seen = Recording()
    model = routed(callbacks=[seen])
    model.invoke("hi", {"callbacks": [seen]})
    assert seen.order.count("chain_start") == seen.order.count("chat_model_start") == 1
    list(model.stream("hi"))
    assert seen.order.count("token") > 1


def test_a_chain_around_the_router_is_its_parent() -> None:
    seen = Recording()
    (RunnableLambda(lambda text: text) | routed()).invoke("hi", {"callbacks": [seen]})
    starts = [(run, parent) for run, parent, _ in seen.named("chain_start")]
    outer, router_run = starts[0][0], starts[-1]
    assert router_run[1] == outer


def test_a_reader_who_leaves_closes_both_runs_and_is_billed_an_estimate() -> None:
    seen = Recording()
    with RoutingRecorder() as recorder:
        stream = routed().stream("hi", {"callbacks": [seen]})
        got = [next(stream), next(stream)]
        stream.close()
    assert seen.order[-2:] == ["llm_error", "chain_end"]
    (outcome,) = recorder.outcomes
    assert (outcome.estimated, outcome.error) == (True, None)
    assert outcome.output_tokens is not None
    assert 0 < outcome.output_tokens < 10
    assert str(seen.named("chain_end")[0][2]["outputs"]["output"].content) == "".join(str(c.content) for c in got)


async def test_an_async_reader_who_leaves_closes_both_runs_too() -> None:
    seen = Recording()
    with RoutingRecorder() as recorder:
        stream = routed().astream("hi", {"callbacks": [seen]})
        await anext(stream)
        await stream.aclose()
    assert seen.order[-2:] == ["llm_error", "chain_end"]
    assert [outcome.error for outcome in recorder.outcomes] == [None]


async def test_what_a_reader_of_events_has_had_is_billed() -> None:
    with RoutingRecorder() as recorder:
        stream = routed().stream_events("hi", version="v3")
        heard = [delta for _, delta in zip(range(3), stream.text, strict=False)]

        del stream
        gc.collect()
    (outcome,) = recorder.outcomes
    assert outcome.output_tokens == count_tokens("".join(heard)).tokens
    assert outcome.estimated


async def test_a_stream_that_is_cancelled_is_billed_an_estimate() -> None:
    class Slow(FakeChat):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            for chunk in self._stream(*args, **kwargs):
                yield chunk
                await asyncio.sleep(0.01 if chunk.text == "small" else 30)

    async def read() -> None:
        async for chunk in routed(weak=Slow(model="small")).astream("hi", {"callbacks": [recorder]}):
            heard.append(str(chunk.content))
            if len(heard) == 2:
                enough.set()

    recorder, heard, enough = RoutingRecorder(), list[str](), asyncio.Event()
    task = asyncio.create_task(read())
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcome,) = recorder.outcomes
    assert (outcome.error, outcome.estimated) == ("CancelledError", True)
    assert outcome.output_tokens == count_tokens("".join(heard)).tokens
    assert recorder.totals.cost_usd == outcome.cost_usd


def test_a_call_that_is_refused_costs_nothing_and_leaves_the_bill_known() -> None:
    model, recorder = routed(weak=FakeChat(fails="no")), RoutingRecorder()
    with pytest.raises(RuntimeError):
        model.invoke("hi", {"callbacks": [recorder]})
    assert (recorder.totals.calls, recorder.totals.cost_usd) == (1, 0.0)
    outcome = routing_outcome(model.invoke(HARD, {"callbacks": [recorder]}))
    assert (recorder.totals.calls, recorder.totals.cost_usd) == (2, outcome.cost_usd)


async def test_a_cancelled_call_ends_in_an_error() -> None:
    class Slow(FakeChat):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(30)

    seen = Recording()
    task = asyncio.create_task(routed(weak=Slow()).ainvoke("hi", {"callbacks": [seen]}))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen.order[-1] == "chain_error"


def test_structured_output_leaves_its_record_in_the_run() -> None:
    seen, schema = Recording(), {"title": "Movie", "type": "object", "properties": {"year": {"type": "integer"}}}
    assert routed().with_structured_output(schema).invoke("hi", {"callbacks": [seen]}) == {"year": 3}
    outputs = seen.named("chain_end")[-1][2]["outputs"]
    assert outputs["output"] == {"year": 3}
    assert outputs["routing"]["outcome"]["estimated"] is False
    raw = routed().with_structured_output(schema, include_raw=True).invoke("hi")
    assert routing_decision(raw["raw"]) is not None
    assert routing_outcome(raw["raw"]) is not None


async def test_astream_events_tells_the_decision_and_the_tokens_once() -> None:
    events = [event async for event in routed().astream_events(HARD, version="v2")]
    names = [event["event"] for event in events]
    assert names[:3] == ["on_chain_start", "on_custom_event", "on_chat_model_start"]
    assert names.count("on_custom_event") == names.count("on_chat_model_end") == 1
    (custom,) = (event for event in events if event["event"] == "on_custom_event")
    assert (custom["name"], custom["data"]["candidate"]) == ("routing_decision", "strong")
