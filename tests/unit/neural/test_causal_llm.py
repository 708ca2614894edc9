"""The causal router: against generation, both kinds of labels, training with and without adapters."""

from dataclasses import replace

import numpy as np
import pytest

from pointsman import Scorer
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ArtifactNotFoundError, ConfigurationError, DataError
from pointsman.scorers.causal_llm import CausalLLMScorer, label_tokens, widest_dtype
from pointsman.scorers.rating import PromptFormat
from pointsman.training.causal_llm import (
    Ratings,
    full_descent,
    lora_descent,
    rate_battles,
    rate_outcomes,
    train_causal_llm,
)
from pointsman.training.lora import LoRA, attach, merge
from tests.unit.neural import tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PAIR = ("big", "small")
FORMAT = PromptFormat("Question: ", "\nPrediction:")
TEXTS = [*tiny.prompts(30, seed=3)[0], "", "unseen words"]
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request, tmp_path_factory):
    return tiny.causal_folder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny.causal_folder(tmp_path_factory.mktemp("llama"))


def opened(folder, **changes):
    return CausalLLMScorer.from_checkpoint(
        folder, PAIR, **({"format": FORMAT, "minimum_mass": 0.0, "device": "cpu"} | changes)
    )


def test_win_rates_are_what_generation_would_give(folder):
    """Recomputed by `generate`, one text at a time: softmax over the scores of the first new token."""
    scorer = opened(folder, batch_size=7)
    rates = scorer.win_rate(TEXTS, *PAIR)
    for text, rate in zip(TEXTS, rates, strict=True):
        ids = scorer.tokenizer(f"Question: {text}\nPrediction:", return_tensors="pt").input_ids
        out = scorer.network.generate(
            ids, max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True, pad_token_id=1
        )
        shares = np.exp(out.scores[0][0].double().numpy())
        p = [shares[list(group)].sum() for group in scorer.tokens]
        assert rate == pytest.approx(1 - (p[3] + p[4]) / sum(p), abs=1e-5)
    assert rates.std() > 0.005


def test_scorer_protocol(llama):
    scorer = opened(llama)
    assert isinstance(scorer, Scorer)
    quality, rates = scorer.score(TEXTS, *PAIR)
    assert np.array_equal(quality[:, 0], rates)
    assert np.array_equal(scorer.win_rate(TEXTS, "small", "big"), 1 - rates)
    assert scorer.quality([]).shape == (0, 2)


def test_where_the_scores_carry_too_little_mass_the_strong_model_is_taken(llama):
    scorer = opened(llama)
    mass = np.exp(scorer.log_probabilities(TEXTS)).sum(axis=1)
    cut = float(np.median(mass))
    careful = replace(scorer, minimum_mass=cut)
    assert np.array_equal(careful.strong_wins(TEXTS) == 1, mass < cut)
    assert 0 < (mass < cut).sum() < len(TEXTS)
    assert (scorer.strong_wins(TEXTS) < 1).all()
    with pytest.raises(ConfigurationError, match="minimum_mass is 2"):
        replace(scorer, minimum_mass=2)


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_a_long_question_is_cut_and_the_prompt_keeps_its_end(tmp_path, template):
    tokenizer = tiny.byte_tokenizer(template)
    scorer = opened(tiny.causal_folder(tmp_path, tokenizer=tokenizer), format=None if template else FORMAT)
    short = replace(scorer, max_length=len(scorer.prompt("")) + 20)
    ids = short.prompt("prove the number " * 50)
    assert short.max_length - 2 <= len(ids) <= short.max_length
    text = scorer.tokenizer.decode(ids)
    assert text.endswith("Prediction:\n<assistant>" if template else "Prediction:")
    assert "prove the number prove" in text
    assert ids[0] == 0
    assert ids[1] != 0
    with pytest.raises(ConfigurationError, match="no room"):
        replace(scorer, max_length=len(scorer.prompt("")))


def test_the_template_may_lack_a_system_role(tmp_path):
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
    found = PromptFormat.chat(tiny.byte_tokenizer(strict), "the task", "Q {question} Prediction:")
    assert found == PromptFormat("<user>the task\n\nQ ", " Prediction:\n<assistant>")
    with pytest.raises(ConfigurationError, match="0 places"):
        PromptFormat.chat(tiny.byte_tokenizer("{{ messages[0]['content'] }}"))


def test_control_tokens_in_a_question_are_plain_text(llama):
    scorer = opened(llama, labels="digits")
    ids = scorer.prompt("hello <pad> and <s> there")
    assert ids.count(0) == 1
    assert 1 not in ids


def test_the_plain_prompt_ends_where_the_score_belongs(llama):
    scorer = opened(llama, format=None)
    text = scorer.tokenizer.decode(scorer.prompt("the question"))
    assert text.endswith("[Question]\nthe question\n[End of question]\n\nPrediction:")


def test_labels(llama, tmp_path):
    tokenizer = tiny.byte_tokenizer()
    digits = label_tokens(tokenizer, "digits")
    assert [tokenizer.convert_ids_to_tokens(list(group)) for group in digits] == [
        [str(s), f"Ġ{s}"] for s in range(1, 6)
    ]
    with pytest.raises(ConfigurationError, match='labels="special"'):
        label_tokens(tokenizer, "special")
    with pytest.raises(ConfigurationError, match="no rows for the score tokens"):
        opened(llama, labels="special")
    transformers.LlamaForCausalLM.from_pretrained(llama).save_pretrained(tmp_path)
    with pytest.raises(ArtifactNotFoundError, match="no tokenizer"):
        opened(tmp_path)


RUNS = [
    ("llama", LoRA(rank=8, dropout=0.0), "digits", 5e-3),
    ("llama", LoRA(rank=8, dropout=0.0), "special", 5e-3),
    ("llama", None, "special", 3e-3),
    ("gpt2", None, "digits", 3e-3),
]


@pytest.mark.parametrize(("family", "lora", "labels", "rate"), RUNS)
def test_training_learns_the_toy_problem_and_does_so_twice_alike(tmp_path, family, lora, labels, rate):
    base = tiny.causal_folder(tmp_path / "base", family)
    ratings = rate_battles(tiny.battles(400), "big", "small")
    descent = lora_descent if lora else full_descent
    settings = descent(steps=250, batch_size=16, learning_rate=rate, validate_every=50, progress=False)
    options = {"lora": lora, "labels": labels, "prompt": FORMAT, "max_length": 64, "settings": settings}
    (scorer, history), (again, _) = (train_causal_llm(ratings, base, PAIR, **options) for _ in range(2))
    texts, hard = tiny.prompts(200, seed=99)
    rates = scorer.strong_wins(texts)
    assert ((rates > 0.5) == hard).mean() > 0.9
    assert history.best < 0.5 * history.validation[0]
    assert np.array_equal(rates, again.strong_wins(texts))
    assert len(scorer.reference) == 40
    assert not [name for name, _ in scorer.network.named_parameters() if "lora" in name]
    scorer.save(tmp_path / "saved")
    for found in (CausalLLMScorer.load(tmp_path / "saved"), CausalLLMScorer.from_state(scorer.to_state())):
        assert np.array_equal(found.strong_wins(texts), rates)
        assert found.settings() == scorer.settings()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_adapters_start_as_nothing_and_merge_into_the_same_network(tmp_path, family):
    scorer = opened(tiny.causal_folder(tmp_path, family))
    network = scorer.network
    before = scorer.log_probabilities(TEXTS)
    adapters = attach(network, LoRA(rank=4))
    assert np.array_equal(scorer.log_probabilities(TEXTS), before)
    assert {name.rpartition(".")[2] for name, p in network.named_parameters() if p.requires_grad} == {
        "lora_down",
        "lora_up",
    }
    with torch.no_grad():
        for adapter in adapters:
            adapter.up.normal_(0, 0.1)
    adapted = scorer.log_probabilities(TEXTS)
    assert np.abs(adapted - before).max() > 0.01
    merge(adapters)
    assert np.allclose(scorer.log_probabilities(TEXTS), adapted, atol=1e-4)
    assert not [name for name, _ in network.named_parameters() if "lora" in name]


def test_adapters_go_where_they_are_sent(llama):
    network = opened(llama).network
    assert len(attach(network, LoRA(targets=("q_proj", "v_proj")))) == 4
    with pytest.raises(ConfigurationError, match="no linear layer ends in nothing_such"):
        attach(network, LoRA(targets=("nothing_such",)))
    with pytest.raises(ConfigurationError, match="rank and alpha are positive"):
        LoRA(rank=0)


def test_a_second_training_keeps_the_tokens_of_the_first(llama, tmp_path):
    ratings = rate_battles(tiny.battles(60), "big", "small")
    settings = full_descent(steps=2, validate_every=2, progress=False)
    options = {"lora": None, "labels": "special", "prompt": FORMAT, "settings": settings}
    first, _ = train_causal_llm(ratings, llama, PAIR, **options)
    first.save(tmp_path / "first")
    second, _ = train_causal_llm(ratings, tmp_path / "first", PAIR, **options)
    assert second.tokens == first.tokens
    assert len(second.tokenizer) == len(first.tokenizer)


def test_ratings_from_battles_and_outcomes():
    battles = replace(tiny.battles(3), model_a=("big",) * 3, model_b=("small",) * 3, labels=np.array([1.0, 0.5, 0.0]))
    assert rate_battles(battles, "big", "small").scores.tolist() == [2, 4, 5]
    scores = np.array([[0.0, 1.0], [np.nan, 1.0], [0.75, 0.0], [1.0, 0.5]])
    outcomes = Outcomes(("a", "b", "c", "d"), ("small", "big"), scores, ("0", "1", "2", "3"), ("",) * 4)
    found = rate_outcomes(outcomes, "small")
    assert found.prompts == ("a", "c", "d")
    assert found.scores.tolist() == [1, 4, 5]
    with pytest.raises(DataError, match="whole number from 1 to 5"):
        Ratings(("a",), np.array([6]))


def test_one_rating_alone_is_nothing_to_learn(llama):
    with pytest.raises(DataError, match="same rating"):
        train_causal_llm(Ratings(("a", "b"), np.array([3, 3])), llama, PAIR)


def test_bfloat16_is_used_where_the_device_has_it(llama, monkeypatch):
    assert widest_dtype("cpu") == "float32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert widest_dtype("cuda:0") == "bfloat16"
    half = opened(llama, dtype="bfloat16")
    assert half.network.dtype == torch.bfloat16
    assert np.abs(half.strong_wins(TEXTS) - opened(llama).strong_wins(TEXTS)).max() < 0.05
