"""Small real networks and tokenizers made on the spot, and a toy problem that they can learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from pointsman.data.outcomes import Battles

HARD = ["prove", "derive", "integrate", "optimise", "theorem"]
EASY = ["hello", "thanks", "colour", "spell", "greet"]
FILLER = ["please", "the", "a", "number", "word", "now", "for", "me", "with", "two"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def prompts(rows: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Prompts of filler around one telling word, and whether that word is a hard one."""
    rng = np.random.default_rng(seed)
    texts, hard = [], rng.random(rows) < 0.5
    for is_hard in hard:
        words = [*rng.choice(FILLER, rng.integers(3, 9)), rng.choice(HARD if is_hard else EASY)]
        texts.append(" ".join(rng.permutation(words)))
    return texts, hard


def battles(rows: int, seed: int = 0, ties: float = 0.1) -> Battles:
    """The strong model wins the hard prompts and the weak one the easy ones, but for some ties; either stands first."""
    rng = np.random.default_rng(seed + 1)
    texts, hard = prompts(rows, seed)
    strong_first, tie = rng.random(rows) < 0.5, rng.random(rows) < ties
    labels = np.where(tie, 0.5, (hard == strong_first).astype(float))
    first = ["big" if s else "small" for s in strong_first]
    second = ["small" if s else "big" for s in strong_first]
    return Battles(tuple(texts), tuple(first), tuple(second), labels)


def reseed(network: Any, seed: int, spread: float) -> None:
    """Normal weights from numpy, in the order of the sorted names: the same numbers under every version of torch."""
    import torch

    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            centre = float(parameter.ndim == 1 and name.endswith("weight"))  # a norm's
            parameter.copy_(torch.from_numpy(rng.normal(centre, spread, tuple(parameter.shape)).astype(np.float32)))


def word_tokenizer(model_max_length: int = 64) -> Any:
    """Whole words, framed by [CLS] and [SEP]."""
    import transformers

    vocabulary = {word: i for i, word in enumerate([*SPECIALS, *HARD, *EASY, *FILLER])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=model_max_length, mask_token="[MASK]", **names
    )


def bert_folder(folder: Path, labels: int = 3, seed: int = 0, positions: int = 64, spread: float = 0.05) -> Path:
    """A BERT with 2 layers of width 32 and seeded random weights, in Hugging Face's layout."""
    import transformers

    tokenizer = word_tokenizer(positions)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        num_labels=labels,
    )
    network = transformers.BertForSequenceClassification(config)
    reseed(network, seed, spread)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer(template: str | None = None, specials: tuple[str, ...] = ()) -> Any:
    """Byte-pair tokens trained on the toy prompts and the scores, with a first token of its own as Llama's has."""
    import transformers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    lines = [*prompts(200)[0], "Prediction: 1 Prediction: 2 Prediction: 3 Prediction: 4 Prediction: 5"] * 3
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", *specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="<pad>",
        chat_template=template,
    )


def causal_folder(folder: Path, family: str = "llama", tokenizer: Any = None, seed: int = 0, rows: int = 0) -> Path:
    """A Llama or GPT-2 with 2 layers of width 32 and seeded random weights, in Hugging Face's layout."""
    import transformers

    tokenizer = tokenizer or byte_tokenizer()
    size = {"vocab_size": rows or len(tokenizer), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    if family == "llama":
        config = transformers.LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=512,
            **size,
        )
        network = transformers.LlamaForCausalLM(config)
    else:
        network = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **size)
        )
    reseed(network, seed, 0.2)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
