"""Bad input is routed with a stated reason or refused with one clear error; none of it crashes on the way."""

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, RichPromptTemplate

from llamaindex_router import RouterLLM, route_query, routing_decision
from pointsman import Candidate, Needs
from pointsman.errors import NoCandidateError, QueryError
from tests.support.llamaindex import ScriptedLLM, scripted_pair

IMAGE = ImageBlock(image=b"\x89PNG\r\n\x1a\n", image_mimetype="image/png")
SAFE = "no words to score, so the safe choice"


def user(*blocks):
    return ChatMessage(role="user", blocks=[TextBlock(text=b) if isinstance(b, str) else b for b in blocks])


@pytest.mark.parametrize(
    ("prompt", "chosen", "why"),
    [
        ("", "strong", SAFE),
        (" \n\t\u2003", "strong", SAFE),
        ("easy \ud800 and \udfff", "weak", "win rate 0.100 < threshold 0.500"),
        ("\ud800", "weak", "win rate 0.100 < threshold 0.500"),
        ("hard " * 40_000, "strong", "win rate 0.900 >= threshold 0.500"),
        ("x" * 200_000, "weak", "win rate 0.100 < threshold 0.500"),
        ("\0", "weak", "win rate 0.100 < threshold 0.500"),
    ],
)
def test_prompts(prompt, chosen, why):
    pair = scripted_pair(strong={"window": 10**6}, weak={"window": 10**6})
    decisions = [
        routing_decision(pair.llm.complete(prompt)),
        routing_decision(pair.llm.chat([user(prompt)])),
        routing_decision(list(pair.llm.stream_complete(prompt))[-1]),
    ]
    assert [(decision.candidate, decision.reason) for decision in decisions] == [(chosen, why)] * 3
    assert getattr(pair, chosen).heard[0] == prompt, "the model gets what was sent"


@pytest.mark.parametrize("prompt", ["x" * 200_000, "hard " * 40_000, "\ud800" * 200_000])
def test_prompts_that_fit_nowhere(prompt):
    pair = scripted_pair()
    with pytest.raises(NoCandidateError, match=r"strong: \d+ prompt tokens .* exceed its window of 8000"):
        pair.llm.complete(prompt)
    assert pair.entered == []


@pytest.mark.parametrize("prompt", ["", "   ", "easy \ud800", "x" * 200_000])
def test_prompts_without_reported_usage_are_counted_all_the_same(prompt):
    quiet = {"window": 10**6, "reports": False}
    pair = scripted_pair(strong=quiet, weak=quiet)
    record = pair.llm.complete(prompt).additional_kwargs["routing"]
    assert record["outcome"]["estimated"]
    assert record["outcome"]["output_tokens"] >= 1


@pytest.mark.parametrize("prompt", ["", "easy \ud800", "x" * 200_000, "what is it?"])
def test_prompts_to_the_shipped_router(prompt):
    wide = {"window": 10**6}
    llm = RouterLLM(strong=ScriptedLLM(name="gpt-4", **wide), weak=ScriptedLLM(name="mixtral-8x7b", **wide))
    decision = routing_decision(llm.complete(prompt))
    assert decision.candidate in ("strong", "weak")
    assert decision.reason


@pytest.mark.parametrize(
    ("messages", "scored", "source"),
    [
        ([], [], "prompt"),
        ([ChatMessage(role="system", content="be brief")], ["be brief"], "prompt"),
        ([ChatMessage(role="assistant", content="hello")], ["hello"], "prompt"),
        ([user(IMAGE)], [], "message"),
        ([user("  "), user("")], [], "message"),
        ([user("an easy one"), user("  ")], ["an easy one"], "message"),
        ([user("look:", IMAGE, "what is it?")], ["look:\nwhat is it?"], "message"),
        ([user("an easy one"), user(IMAGE)], ["an easy one"], "message"),
        ([ChatMessage(role="user")], [], "message"),
    ],
)
def test_conversations(messages, scored, source):
    pair = scripted_pair()
    decision = routing_decision(pair.llm.chat(messages))
    assert pair.scored == scored
    assert decision.source == source
    assert scored or (decision.candidate, decision.reason) == ("strong", SAFE)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda llm: llm.chat("a question"), "a chat takes ChatMessage objects, not str"),
        (lambda llm: llm.chat([TextBlock(text="easy"), IMAGE]), "a chat takes ChatMessage objects, not TextBlock"),
        (lambda llm: llm.chat([{"role": "user", "content": "easy"}]), "a chat takes ChatMessage objects, not dict"),
        (lambda llm: llm.complete(["easy"]), "a completion needs a str"),
        (lambda llm: llm.complete(None), "a completion needs a str"),
        (lambda llm: route_query("  ").__enter__(), "route_query needs the words of a question"),
        (lambda llm: route_query(7).__enter__(), "must be a str"),
    ],
)
def test_what_is_no_prompt_is_refused(call, says):
    pair = scripted_pair()
    with pytest.raises(QueryError, match=says):
        call(pair.llm)
    assert pair.entered == []


@pytest.mark.parametrize(
    ("block", "ability"),
    [
        (IMAGE, "images"),
        (VideoBlock(video=b"0000"), "images"),
        (AudioBlock(audio=b"0000", format="wav"), "audio"),
        (DocumentBlock(data=b"%PDF", title="a.pdf"), "documents"),
        (CitableBlock(title="a", source="b", content=[DocumentBlock(data=b"%PDF", title="a.pdf")]), "documents"),
    ],
)
@pytest.mark.parametrize("where", ["chat", "predict", "chat template"])
def test_content_goes_to_models_that_take_it(block, ability, where):
    without = {name: name != ability for name in ("tools", "structured_output", "images", "audio", "documents")}
    pair = scripted_pair(candidates={"weak": Candidate("weak", abilities=Needs(**without))})
    message = user("an easy one", block)
    template = ChatPromptTemplate(message_templates=[message], prompt_type="text_qa")
    with_value = PromptTemplate("{query_str} {context_msg}")
    calls = {
        "chat": lambda: pair.llm.chat([message]),
        "predict": lambda: pair.llm.predict(with_value, query_str="easy", context_msg=message),
        "chat template": lambda: pair.llm.predict(template, query_str="easy"),
    }
    calls[where]()
    assert pair.strong.entered
    assert not pair.weak.entered
    blind = {name: Candidate(name, abilities=Needs(**without)) for name in ("strong", "weak")}
    nobody = scripted_pair(candidates=blind).llm
    with pytest.raises(NoCandidateError, match=f"no {ability}"):
        nobody.chat([message])


@pytest.mark.parametrize("url", ["http://localhost/a.png", ""])
def test_what_a_jinja_template_shows_is_seen_before_a_model_is_chosen(url):
    """Only where it shows something."""
    pair = scripted_pair(candidates={"weak": Candidate("weak", abilities=Needs(tools=True, structured_output=True))})
    template = RichPromptTemplate(
        "{% chat role='user' %}{{ query_str }}{% if url %}{{ url | image }}{% endif %}{% endchat %}"
    )
    pair.llm.predict(template, query_str="easy", url=url)
    assert pair.entered == ["strong.chat" if url else "weak.chat"]
    assert pair.scored == ["easy"]
