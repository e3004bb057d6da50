"""The only reader of Django settings in this app; typed, so the rest asks none by name."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string

from inference.backends import BackendOptions
from inference.recording import Recorder

# A worker that has not been heard of for this long is taken for dead, and what it ran is rescued.
LEASE_SECONDS = 7.0
HEARTBEAT_SECONDS = 2.0
# So long staff still see one that is gone.
REMEMBER_WORKERS_SECONDS = 300.0
CHECKPOINT_SECONDS = 0.5
# Of the time: hundreds of long answers take long to write, and their tokens must not wait for it.
CHECKPOINT_SHARE = 0.2
POLL_SECONDS = 1.0
# Of the one worker that keeps house: renewed each second, so it is taken over within five.
HOUSEKEEPER_LEASE_SECONDS = 3.0
HOUSEKEEPING_SECONDS = 1.0
HOUSEKEEPING_GAP_SECONDS = 4.0
# Between two points of the charts that staff look at.
SAMPLE_SECONDS = 5.0
# Everybody behind the first ones in the queue hears of their place at most this often.
FIRST_PLACES = 10
PLACES_SECONDS = 5.0
# An engine that has something to do and says nothing for this long is given no more.
SILENT_SECONDS = 5.0
# Deadline for what runs at SIGTERM to finish; the rest is handed back to the queue.
DRAIN_SECONDS = 10.0
# What a process has counted for `/metrics` is added to the database this often.
METRICS_SECONDS = 2.0
# A waiting request whose person has gone is dropped this long after their last sign of life.
WANTED_SECONDS = 120.0


# Samples of the queue are for the live page's last hours; usage and history tell of older times.
KEEP_SAMPLES_DAYS = 7
# The housekeeper prunes a little each hour, and more often while more is due: never so much at
# once that a lease or a checkpoint waits for it.
PRUNE_SECONDS = 3600.0
PRUNE_GAP_SECONDS = 10.0
PRUNE_AT_ONCE = 200


@dataclass(frozen=True)
class PolicyDefaults:
    """First values of the policy row."""

    max_running: int
    max_waiting: int
    max_running_per_user: int
    max_waiting_per_user: int
    max_new_tokens: int


def policy_defaults() -> PolicyDefaults:
    return PolicyDefaults(**settings.INFERENCE_POLICY_DEFAULTS)


def recorder() -> Recorder:
    """The function, named by dotted path, that keeps the text of an ended request for the site."""
    found: Recorder = import_string(settings.INFERENCE_RECORDER)
    return found


def backend_options() -> BackendOptions:
    return BackendOptions(
        engine=settings.INFERENCE_ENGINE,
        model=settings.INFERENCE_MODEL,
        device=settings.INFERENCE_DEVICE,
        dtype=settings.INFERENCE_DTYPE,
        max_model_len=settings.INFERENCE_MAX_MODEL_LEN or None,
        slots=settings.INFERENCE_SLOTS or None,
        chat_template=settings.INFERENCE_CHAT_TEMPLATE or None,
        mock_rate=settings.INFERENCE_MOCK_RATE,
        threads=settings.INFERENCE_THREADS or None,
    )


def users_are_isolated() -> bool:
    """True when no computed prompt of one user may speed up another's (nor be told by its time)."""
    return bool(settings.INFERENCE_ISOLATE_USERS)


def metrics_are_kept() -> bool:
    """False under tests: no thread may write behind a test's back."""
    return bool(settings.INFERENCE_KEEP_METRICS)


def staff_see_texts() -> bool:
    """True when staff with the permission may read what people ask and are answered."""
    return bool(settings.INFERENCE_STAFF_SEE_TEXTS)


def keep_requests_days() -> int:
    """Ended requests older than this many days are pruned; 0 means that they stay."""
    return int(settings.INFERENCE_KEEP_REQUESTS_DAYS)


def is_embedded() -> bool:
    """True when the worker runs inside the web process: there is no Redis between the two."""
    return not settings.REDIS_URL
