"""The counters and histograms of `/metrics`: names, labels and buckets.

Names and buckets are vLLM's where it has one that means the same; `inference.metrics` says what
each one means. They never fall: they outlast processes, and requests that are pruned.
"""

from dataclasses import dataclass

from inference.queue.policy import Group

PREFIX = "chatsite_"

GROUPS = tuple(str(group) for group in Group)
# Label values that exist from the first scrape on, so that a rate sees the first event too.
KNOWN: dict[str, tuple[str, ...]] = {
    "group": GROUPS,
    "finished_reason": ("stop", "length", "aborted", "failed"),
    "reason": ("queue_full", "user_limit", "not_ready", "too_long", "invalid", "quota"),
}


@dataclass(frozen=True)
class Counter:
    name: str
    help: str
    labels: tuple[str, ...] = ()
    # Also counts requests that no worker took, whose `model_name` is empty.
    unclaimed_too: bool = False


@dataclass(frozen=True)
class Histogram:
    name: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ("model_name",)


_LONG_SECONDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
_FIRST_TOKEN_SECONDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_TOKEN_SECONDS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0),
)
_TOKENS = tuple(float(step * 10**power) for power in range(6) for step in (1, 2, 5))

SUBMITTED = Counter(
    f"{PREFIX}requests_submitted_total", "Requests that were taken into the queue.", ("group",)
)
REJECTED = Counter(
    f"{PREFIX}requests_rejected_total", "Requests that were refused, by the reason.", ("reason",)
)
RESCUES = Counter(
    f"{PREFIX}rescues_total", "Requests taken back from a worker that died or lost its lease."
)
ENGINE_DEATHS = Counter(
    f"{PREFIX}engine_deaths_total", "Engine processes that died under a worker.", ("model_name",)
)
ENDED = Counter(
    f"{PREFIX}request_success_total",
    "Requests that ended, by the reason; model_name is empty if no worker took them.",
    ("model_name", "finished_reason"),
    unclaimed_too=True,
)
PROMPT_TOKENS = Counter(
    f"{PREFIX}prompt_tokens_total", "Prompt tokens of requests that ended.", ("model_name",)
)
CACHED_TOKENS = Counter(
    f"{PREFIX}prompt_tokens_cached_total",
    "Prompt tokens of requests that ended which needed no computing.",
    ("model_name",),
)
GENERATION_TOKENS = Counter(
    f"{PREFIX}generation_tokens_total", "Output tokens of requests that ended.", ("model_name",)
)
COUNTERS = (
    SUBMITTED,
    REJECTED,
    RESCUES,
    ENGINE_DEATHS,
    ENDED,
    PROMPT_TOKENS,
    CACHED_TOKENS,
    GENERATION_TOKENS,
)

QUEUE_TIME = Histogram(
    f"{PREFIX}request_queue_time_seconds",
    "Submitted to first claimed by a worker.",
    _LONG_SECONDS,
    ("model_name", "group"),
)
TIME_TO_FIRST_TOKEN = Histogram(
    f"{PREFIX}time_to_first_token_seconds",
    "Submitted to first text published, the queue time included.",
    _FIRST_TOKEN_SECONDS,
)
PREFILL_TIME = Histogram(
    f"{PREFIX}request_prefill_time_seconds",
    "First claimed by a worker to first text published.",
    _LONG_SECONDS,
)
DECODE_TIME = Histogram(
    f"{PREFIX}request_decode_time_seconds", "First text published to ended.", _LONG_SECONDS
)
LATENCY = Histogram(
    f"{PREFIX}e2e_request_latency_seconds",
    "Submitted to ended, of requests that a worker took.",
    _LONG_SECONDS,
)
TIME_PER_TOKEN = Histogram(
    f"{PREFIX}request_time_per_output_token_seconds",
    "Decode time divided by the output tokens after the first.",
    _TOKEN_SECONDS,
)
PROMPT_LENGTH = Histogram(
    f"{PREFIX}request_prompt_tokens", "Prompt tokens of a request that ended.", _TOKENS
)
ANSWER_LENGTH = Histogram(
    f"{PREFIX}request_generation_tokens", "Output tokens of a request that ended.", _TOKENS
)
HISTOGRAMS = (
    QUEUE_TIME,
    TIME_TO_FIRST_TOKEN,
    PREFILL_TIME,
    DECODE_TIME,
    LATENCY,
    TIME_PER_TOKEN,
    PROMPT_LENGTH,
    ANSWER_LENGTH,
)
