"""One name per model: what published outcome tables call the same model is brought together here."""

import re
from functools import lru_cache
from typing import Final

_HOST = re.compile(r"@.*$")
_ORGANISATION = re.compile(r"^.*/")
# Bedrock's spelling: "us.anthropic.claude-3-haiku-20240307-v1:0".
_BEDROCK = re.compile(r"^(?:[a-z]+\.)?(?:ai21|anthropic|cohere|deepseek|meta|mistral|openai|qwen)\.|-v\d+:\d+$")
_REWRITES: Final = (
    (re.compile(r"[\s_]+"), "-"),
    (re.compile(r"[()]"), ""),
    (re.compile(r"^meta-llama-?(?=\d)"), "llama-"),
    (re.compile(r"^llama-?(\d)"), r"llama-\1"),
    (re.compile(r"^llama-(\d)-(\d)-(?=\d+b)"), r"llama-\1.\2-"),
    (re.compile(r"-inst(?=-|$)"), "-instruct"),
    (re.compile(r"-(fp8|hf|turbo(?<=instruct-turbo))$"), ""),
    (re.compile(r"-(fp8|hf)$"), ""),
    (re.compile(r"^(llama-2-.*)-chat$"), r"\1-chat"),
    (re.compile(r"^llama-2-chat-(\d+b)$"), r"llama-2-\1-chat"),
)

# Normalised spelling -> canonical name, where no rule can know.
_SAME: Final = {
    "deepseek-chat": "deepseek-v2-chat-0628",
    "deepseek-coder": "deepseek-coder-v2-0724",
    "deepseek-coder-v2": "deepseek-coder-v2-0614",
    "deepseek-v2-coder-0614": "deepseek-coder-v2-0614",
    "deepseek-v2-coder-0724": "deepseek-coder-v2-0724",
    "deepseek-v2-chat-2024-05": "deepseek-v2-chat-0517",
    "mistral-large-2": "mistral-large-2407",
    "mistral-nemo-instruct-2407": "open-mistral-nemo",
    "mixtral-8x7b-instruct": "mixtral-8x7b-instruct-v0.1",
    "mathstral-7b": "mathstral-7b-v0.1",
    "c4ai-command-r-v01": "command-r",
    "chatgpt-4o-latest-24-09-07": "chatgpt-4o-latest",
    "gpt-4": "gpt-4-0613",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-35-turbo": "gpt-3.5-turbo-0125",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "o1-mini": "o1-mini-2024-09-12",
    "o1-preview": "o1-preview-2024-09-12",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
    "claude-3-5-sonnet-latest": "claude-3-5-sonnet-20241022",
    "claude-3-opus-latest": "claude-3-opus-20240229",
    "gpt-3.5-turbo-16k": "gpt-3.5-turbo-0613",
    "claude-v1": "claude-1",
    "claude-v1.2": "claude-1.2",
    "claude-v2": "claude-2",
    "claude-instant-v1": "claude-instant-1",
    "palm-2-bison": "text-bison",
    "vicuna-v1.5-13b": "vicuna-13b-v1.5",
    "vicuna-v1.3-13b": "vicuna-13b-v1.3",
    "vicuna-v1.3-7b": "vicuna-7b-v1.3",
    "code-llama-instruct-7b": "codellama-7b-instruct",
    "code-llama-instruct-13b": "codellama-13b-instruct",
    "code-llama-instruct-34b": "codellama-34b-instruct",
}

_BASE: Final = frozenset(
    {
        "llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3-8b", "llama-3-70b", "llama-3.1-8b", "llama-3.1-70b",
        "mistral-7b-v0.1", "mistral-7b-v0.2", "mixtral-8x7b-v0.1", "qwen1.5-110b", "yi-34b", "yi-6b", "gemma-7b",
    }
)  # fmt: skip

_FAMILIES: Final = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"^o1-mini", "o1-mini"),
        (r"^o1", "o1"),
        (r"^gpt-4o-mini", "gpt-4o-mini"),
        (r"^(chat)?gpt-4o", "gpt-4o"),
        (r"^gpt-4-(turbo|1106|0125)", "gpt-4-turbo"),
        (r"^gpt-4-0", "gpt-4"),
        (r"^gpt-3\.5", "gpt-3.5"),
        (r"^claude-.*opus", "claude-opus"),
        (r"^claude-.*sonnet", "claude-sonnet"),
        (r"^claude-.*haiku", "claude-haiku"),
        (r"^claude-instant", "claude-instant"),
        (r"^claude-[12]", "claude"),
        (r"^gemini-.*flash", "gemini-flash"),
        (r"^gemini-.*pro", "gemini-pro"),
        (r"^gemma.*-2b", "gemma-2b"),
        (r"^(gemma|codegemma).*-[79]b", "gemma-9b"),
        (r"^gemma.*-27b", "gemma-27b"),
        (r"^llama-3\S*-405b", "llama-405b"),
        (r"^llama-?3\S*-nemotron", "nemotron"),
        (r"^llama-?3\S*-(70b|chatqa\S*70b)|^athene-70b", "llama-70b"),
        (r"^llama-?3\S*-8b|^llama3-chatqa\S*8b", "llama-8b"),
        (r"^llama-2-70b", "llama-2-70b"),
        (r"^llama-2-", "llama-2"),
        (r"^codellama", "codellama"),
        (r"^mixtral-8x7b", "mixtral"),
        (r"^mistral-large", "mistral-large"),
        (r"mistral-nemo", "mistral-nemo"),
        (r"^(mistral|mathstral)-7b", "mistral-7b"),
        (r"^qwen\S*-(1\.5|3)b", "qwen-3b"),
        (r"^qwen\S*-7b", "qwen-7b"),
        (r"^qwen\S*-32b", "qwen-32b"),
        (r"^qwen\S*-(72|110)b", "qwen-72b"),
        (r"^deepseek-coder", "deepseek-coder"),
        (r"^deepseek", "deepseek-chat"),
        (r"^command-r-plus", "command-r-plus"),
        (r"^command-r$", "command-r"),
        (r"^phi-3", "phi-mini"),
        (r"^yi-large", "yi-large"),
        (r"^yi-\S*34b", "yi-34b"),
        (r"^yi-\S*[69]b", "yi-9b"),
        (r"^reka-core", "reka-core"),
        (r"^reka-flash", "reka-flash"),
        (r"^jamba-1\.5-large", "jamba-large"),
        (r"^vicuna-13b", "vicuna-13b"),
    )
)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """The one name under which a model is kept, whatever organisation, host or spelling a table gave it.

    >>> canonical("mistralai/Mixtral-8x7B-Instruct-v0.1")
    'mixtral-8x7b-instruct-v0.1'
    >>> canonical("Llama-3.1-405B-Inst@sambanova")
    'llama-3.1-405b-instruct'
    """
    text = _BEDROCK.sub("", _ORGANISATION.sub("", _HOST.sub("", name.strip())).lower())
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _SAME.get(text, text)


def family(name: str) -> str | None:
    """The family a model belongs to ("gpt-4o-mini", "llama-70b", ...), or None where it has none with us."""
    text = canonical(name)
    return next((found for pattern, found in _FAMILIES if pattern.search(text)), None)


def is_base(name: str) -> bool:
    """Whether this is a base model, without chat training: it may teach, but nobody routes to it."""
    return canonical(name) in _BASE
