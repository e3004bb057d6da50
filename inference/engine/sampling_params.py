"""What one request asks of the sampler: checked values, nothing about models or tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inference.engine.errors import InvalidParams

MAX_SEED = 2**63 - 1
MAX_STOPS = 8
MAX_STOP_LENGTH = 200
MAX_BIASES = 300
MAX_BIAS = 100
MAX_DIGITS = 19
MAX_LOGPROBS = 20
DEFAULT_MAX_TOKENS = 512

__all__ = ["MAX_SEED", "InvalidParams", "SamplingParams"]


@dataclass(frozen=True)
class SamplingParams:
    """Immutable and checked on creation, so nothing behind it checks again.

    ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 switch those filters off. ``seed``
    None means that none was drawn yet; the engine takes only params that have one.

    ``logit_bias`` maps token ids to what is added to their logits; it is kept as sorted pairs.
    ``logprobs`` asks for log-probabilities of each chosen token and of that many likeliest ones,
    by the model itself: before bias, penalties and temperature.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_tokens: int = DEFAULT_MAX_TOKENS
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        self._check_number("temperature", 0, 2)
        self._check_number("top_p", 0, 1, open_low=True)
        self._check_integer("top_k", 0)
        self._check_number("min_p", 0, 1)
        self._check_number("repetition_penalty", 0, 2, open_low=True)
        self._check_number("presence_penalty", -2, 2)
        self._check_number("frequency_penalty", -2, 2)
        self._check_integer("max_tokens", 1)
        self._check_integer("min_tokens", 0)
        self._check_stop()
        self._check_logit_bias()
        if self.logprobs is not None:
            self._check_integer("logprobs", 0, MAX_LOGPROBS)
        if self.seed is not None:
            self._check_integer("seed", 0)

    def _check_number(self, field: str, low: float, high: float, *, open_low: bool = False) -> None:
        value = getattr(self, field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidParams(field, f"{field} must be a number.")
        # Compared before anything is converted: an int may be too large for a float.
        above = low < value if open_low else low <= value
        if not (above and value <= high):
            bound = f"above {low}" if open_low else f"at least {low}"
            raise InvalidParams(field, f"{field} must be {bound} and at most {high}.")
        object.__setattr__(self, field, float(value))

    def _check_integer(self, field: str, low: int, high: int = MAX_SEED) -> None:
        value = getattr(self, field)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidParams(field, f"{field} must be a whole number.")
        if not low <= value <= high:
            raise InvalidParams(field, f"{field} must be at least {low} and at most {high}.")

    def _check_stop(self) -> None:
        stop: Any = self.stop
        if isinstance(stop, str):
            stop = (stop,)
        if not isinstance(stop, list | tuple) or not all(isinstance(s, str) for s in stop):
            raise InvalidParams("stop", "stop must be a list of strings.")
        if len(stop) > MAX_STOPS:
            raise InvalidParams("stop", f"stop may hold at most {MAX_STOPS} strings.")
        if not all(1 <= len(s) <= MAX_STOP_LENGTH for s in stop):
            raise InvalidParams("stop", f"Each stop must have 1 to {MAX_STOP_LENGTH} characters.")
        object.__setattr__(self, "stop", tuple(stop))

    def _check_logit_bias(self) -> None:
        given: Any = self.logit_bias
        if not isinstance(given, Mapping | tuple):
            raise InvalidParams("logit_bias", "logit_bias must map token ids to numbers.")
        pairs = given.items() if isinstance(given, Mapping) else given
        bias = {_token_id(token): _bias(value) for token, value in pairs}
        if len(bias) < len(given):
            raise InvalidParams("logit_bias", "logit_bias names a token twice.")
        if len(bias) > MAX_BIASES:
            raise InvalidParams("logit_bias", f"logit_bias may name at most {MAX_BIASES} tokens.")
        object.__setattr__(self, "logit_bias", tuple(sorted(bias.items())))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SamplingParams:
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise InvalidParams(str(name), f"{name} is not a sampling parameter.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        bias = {str(token): value for token, value in self.logit_bias}
        return {**asdict(self), "stop": list(self.stop), "logit_bias": bias}


def _token_id(value: Any) -> int:
    """JSON has only strings as keys, so a string of digits is a token id too."""
    if isinstance(value, str) and len(value) <= MAX_DIGITS and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise InvalidParams("logit_bias", "The keys of logit_bias must be token ids.")
    return value


def _bias(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidParams("logit_bias", "logit_bias must map token ids to numbers.")
    if not -MAX_BIAS <= value <= MAX_BIAS:
        sentence = f"Each bias must be at least {-MAX_BIAS} and at most {MAX_BIAS}."
        raise InvalidParams("logit_bias", sentence)
    return float(value)
