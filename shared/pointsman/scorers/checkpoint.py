"""Transformer checkpoints: found on disk or on the hub, opened without running their code, and written again."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

from pointsman.errors import ArtifactCorruptError, ArtifactNotFoundError, ConfigurationError, MissingExtraError

__all__ = [
    "checkpoint_folder",
    "longest_input",
    "open_network",
    "open_tokenizer",
    "pick_device",
    "require",
    "write_checkpoint",
]

_TEXT_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_SHARD = "2GB"  # an artifact's files are hashed in memory, one at a time
_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_OFFSET_POSITIONS = ("roberta", "camembert", "mpnet", "longformer")


def require(module: str, extra: str = "torch") -> Any:
    """An optional module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extra) from error


def pick_device(device: str | None = None) -> str:
    """The device asked for, else the best there is: CUDA, Apple's MPS, the CPU."""
    if device is not None:
        return device
    torch = require("torch")
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def checkpoint_folder(source: str | Path, revision: str | None = None) -> Path:
    """A local folder as it is; a name on the hub is downloaded, weights in safetensors before any other form.

    Raises:
        ArtifactNotFoundError: there is no such folder, and the hub does not give it.
        MissingExtraError: it is on the hub and huggingface_hub is not installed.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    hub = require("huggingface_hub")
    try:
        folder = Path(hub.snapshot_download(str(source), revision=revision, allow_patterns=_TEXT_FILES))
        if not [*folder.glob("*.safetensors")]:
            patterns = [*_TEXT_FILES, "pytorch_model*.bin"]
            folder = Path(hub.snapshot_download(str(source), revision=revision, allow_patterns=patterns))
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        msg = f"{source} is no folder here and could not be had from the hub ({error}); check the name and the network"
        raise ArtifactNotFoundError(msg) from error
    return folder


def open_network(auto_class: str, folder: Path, *, complete: bool = True, **options: Any) -> Any:
    """A network in evaluation mode. No code of the checkpoint runs, and no pickle beyond plain tensors is read.

    Args:
        auto_class: name of a transformers auto class.
        folder: with config.json and the weights.
        complete: whether every weight must be in the checkpoint; a new head to be trained is not.
        options: passed on to `from_pretrained`.

    Raises:
        ArtifactNotFoundError: a file is missing.
        ArtifactCorruptError: the weights do not fit the network, or some are missing.
        MissingExtraError: torch or transformers is not installed.
    """
    require("torch")
    cls = getattr(require("transformers"), auto_class)
    try:
        network, info = cls.from_pretrained(
            str(folder), output_loading_info=True, weights_only=True, trust_remote_code=False, **options
        )
    except OSError as error:
        msg = f"{folder} is no whole checkpoint ({error}); it needs config.json and model.safetensors"
        raise ArtifactNotFoundError(msg) from error
    except (RuntimeError, ValueError, pickle.UnpicklingError, require("safetensors").SafetensorError) as error:
        msg = f"{folder} does not hold a network of the kind asked for ({error}); copy it again, or give another"
        raise ArtifactCorruptError(msg) from error
    missing = sorted(str(key) for key in info["missing_keys"])
    if complete and missing:
        msg = f"{folder} lacks {', '.join(missing[:4])}: it is a base model and no trained router; train one from it"
        raise ArtifactCorruptError(msg)
    for tensor in (*network.parameters(), *network.buffers()):
        # out of the mapped file: it may change, and where it is not aligned, results differ in their last bits
        tensor.data = tensor.data.clone()
    return network.eval()


def open_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a checkpoint.

    Raises:
        ArtifactNotFoundError: the folder has none.
        ConfigurationError: it has only a slow one.
    """
    if not any((folder / name).is_file() for name in _VOCABULARIES):  # transformers would make up an empty one
        msg = f"{folder} has no tokenizer; copy {_VOCABULARIES[0]} there, or pass a tokenizer where one can be passed"
        raise ArtifactNotFoundError(msg)
    try:
        tokenizer = require("transformers").AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError) as error:
        msg = f"{folder} has no tokenizer that can be read ({error}); copy tokenizer.json there again"
        raise ArtifactNotFoundError(msg) from error
    if not tokenizer.is_fast:
        msg = f"{folder} has a slow tokenizer only; save it with AutoTokenizer(...).save_pretrained as tokenizer.json"
        raise ConfigurationError(msg)
    return tokenizer


def longest_input(network: Any, tokenizer: Any, wanted: int | None) -> int:
    """Tokens that fit, special ones included: the least of what is wanted, the tokenizer's limit and the network's.

    Raises:
        ConfigurationError: fewer than 8 are left.
    """
    positions = getattr(network.config, "max_position_embeddings", None)
    limits = [limit for limit in (wanted, positions, tokenizer.model_max_length) if limit is not None]
    if positions is not None and any(name in network.config.model_type for name in _OFFSET_POSITIONS):
        limits.append(positions - network.config.pad_token_id - 1)  # these count positions from the padding id on
    if not limits or min(limits) < 8:
        msg = f"the longest input would be {min(limits, default=0)} tokens; give a max_length of at least 8"
        raise ConfigurationError(msg)
    return int(min(limits))


def write_checkpoint(network: Any, tokenizer: Any, folder: Path) -> None:
    """Write what `from_pretrained` reads: config.json, the weights in safetensors, the tokenizer."""
    network.save_pretrained(folder, max_shard_size=_SHARD)
    tokenizer.save_pretrained(folder)
