"""Every error that pointsman raises on purpose.

    PointsmanError
    ├── ConfigurationError (ValueError)     what was set up cannot work
    │   ├── PoolError                       no candidates, two of one name, a role that names nobody
    │   ├── PolicyError                     a threshold or weight outside its range
    │   └── UnknownPriceError               a policy needs a price that nobody has given
    ├── QueryError (ValueError)             what was asked cannot be scored or routed
    ├── NoCandidateError                    every candidate was ruled out for this call
    ├── EmptyAnswerError                    a model answered with nothing at all
    ├── RefusedAnswerError                  a model declined to answer, and another is asked
    ├── JudgeError                          a cascade's judge could not tell how good an answer is
    │   └── MissingLogprobsError            it reads token log-probabilities, and the answer came without
    ├── JudgeUnreachableError               a judge's model gives no answer at all
    ├── ScorerError                         a scorer returned something that is not a score
    ├── DataError (ValueError)              a data file does not hold what its layout promises
    ├── DownloadError                       a file could not be fetched, or is not the one that was meant
    ├── ArtifactError                       a saved router or embedder
    │   ├── ArtifactNotFoundError           is not there
    │   ├── ArtifactCorruptError            is damaged, truncated or was changed
    │   └── ArtifactVersionError            was written by another schema
    └── MissingExtraError (ImportError)     an optional package is not installed
        └── OutdatedExtraError              it is installed, and too old

Each message says what is wrong, with the value, and then what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ArtifactCorruptError",
    "ArtifactError",
    "ArtifactNotFoundError",
    "ArtifactVersionError",
    "ConfigurationError",
    "DataError",
    "DownloadError",
    "EmptyAnswerError",
    "JudgeError",
    "JudgeUnreachableError",
    "MissingExtraError",
    "MissingLogprobsError",
    "NoCandidateError",
    "OutdatedExtraError",
    "PointsmanError",
    "PolicyError",
    "PoolError",
    "QueryError",
    "RefusedAnswerError",
    "ScorerError",
    "UnknownPriceError",
]


class PointsmanError(Exception):
    """Base of every error raised by pointsman."""


class ConfigurationError(PointsmanError, ValueError):
    """A router, pool or policy was set up in a way that cannot work."""


class PoolError(ConfigurationError):
    """A pool is empty, has two candidates of one name, or a role that names nobody."""


class PolicyError(ConfigurationError):
    """A policy's parameter lies outside its range."""


class UnknownPriceError(ConfigurationError):
    """A policy weighs cost, and a candidate has no known price."""


class QueryError(PointsmanError, ValueError):
    """A query is of the wrong type or holds impossible values."""


class NoCandidateError(PointsmanError):
    """No candidate can serve this call.

    Attributes:
        gated: candidate name -> why it was ruled out.
    """

    def __init__(self, gated: Mapping[str, str]) -> None:
        self.gated = dict(gated)
        reasons = "; ".join(f"{name}: {why}" for name, why in self.gated.items())
        super().__init__(f"no candidate can serve this call ({reasons}); add a candidate that can, or shorten the call")


class EmptyAnswerError(PointsmanError):
    """A model ended its answer without saying anything; ask again, or give the pool another candidate."""


class RefusedAnswerError(PointsmanError):
    """A model declined to answer, and its provider marks the answer as a refusal; another candidate may not decline."""


class JudgeError(PointsmanError):
    """A judge could not say how good an answer is; a cascade then escalates, accepts or raises, as it was told."""


class MissingLogprobsError(JudgeError):
    """A judge reads the log-probabilities of an answer's tokens, and the provider sent none."""


class JudgeUnreachableError(PointsmanError):
    """The model behind a judge cannot be asked: it is down, does not let us in, or refuses how it is asked."""


class ScorerError(PointsmanError):
    """A scorer returned the wrong shape, or numbers outside [0, 1]."""


class DataError(PointsmanError, ValueError):
    """A data file does not hold what its layout promises; the message names file, row and column."""


class DownloadError(PointsmanError):
    """A file could not be fetched, or what came is not what its hash promises; run the command again to resume."""


class ArtifactError(PointsmanError):
    """Something is wrong with a saved router or embedder."""


class ArtifactNotFoundError(ArtifactError):
    """The folder, one of its files, or the shipped name does not exist."""


class ArtifactCorruptError(ArtifactError):
    """A file is damaged, truncated, or does not match its recorded hash."""


class ArtifactVersionError(ArtifactError):
    """The artifact was written with a schema that this version cannot read."""


class MissingExtraError(PointsmanError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f'{package} is not installed; run: pip install "pointsman[{extra}]"')


class OutdatedExtraError(MissingExtraError):
    """An optional package is installed, and too old for what was asked."""

    def __init__(self, what: str, package: str, needed: str, found: str) -> None:
        self.package = package
        message = f"{what} needs {package} {needed} or newer, and this is {found}; run: pip install --upgrade {package}"
        ImportError.__init__(self, message)
