"""Submitting: what gets in, what is refused, and that a refusal stores nothing."""

import pytest

from inference.models import GenerationRequest
from inference.queue import Refused
from inference.queue.submission import MAX_PROMPT_BYTES
from tests.inference.build import a_policy, a_request, a_user, a_worker

pytestmark = pytest.mark.django_db


def refusal(**fields: object) -> Refused:
    before = GenerationRequest.objects.count()
    with pytest.raises(Refused) as caught:
        a_request(**fields)  # type: ignore[arg-type]
    assert GenerationRequest.objects.count() == before
    return caught.value


@pytest.mark.parametrize(("running", "waiting"), [(1, 0), (1, 1), (2, 5), (3, 0)])
def test_exactly_the_places_and_the_queue_get_in(running: int, waiting: int) -> None:
    a_policy(max_running=running, max_waiting=waiting)
    a_worker()
    for _ in range(running + waiting):
        a_request()
    refused = refusal()
    assert refused.code == "queue_full"
    assert refused.retry_after and refused.retry_after > 0


def test_places_are_the_smaller_of_n_and_slots_summed_over_workers() -> None:
    a_policy(max_running=3, max_waiting=0)
    a_worker(slots=2)
    a_worker(slots=8)
    for _ in range(2 + 3):
        a_request()
    assert refusal().code == "queue_full"


def test_an_ended_request_frees_its_place() -> None:
    from inference.queue import abort

    a_policy(max_running=1, max_waiting=0)
    a_worker()
    user = a_user()
    first = a_request(user)
    assert refusal().code == "queue_full"
    abort(str(first.public_id), user)
    a_request()


def test_without_a_ready_worker_the_queue_still_fills_and_then_says_not_ready() -> None:
    a_policy(max_running=2, max_waiting=2)
    a_worker(state="starting")
    a_request()
    a_request()
    assert refusal().code == "not_ready"


def test_one_person_cannot_hold_more_than_their_share() -> None:
    a_policy(max_running=4, max_waiting=50, max_running_per_user=1, max_waiting_per_user=2)
    a_worker()
    user = a_user()
    for _ in range(3):
        a_request(user)
    assert refusal(user=user).code == "user_limit"
    a_request()


def test_a_seed_is_drawn_once_and_a_given_one_is_kept() -> None:
    a_policy(max_running=1, max_waiting=5)
    drawn = a_request()
    given = a_request(params={"seed": 7})
    assert isinstance(drawn.params["seed"], int)
    assert given.params["seed"] == 7


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"temperature": True},
        {"top_p": 0},
        {"top_k": -1},
        {"max_tokens": 10**9},
        {"max_tokens": 0},
        {"stop": ["x"] * 100},
        {"stop": [""]},
        {"stop": [1]},
        {"seed": 2**70},
        {"seed": -1},
        {"nonsense": 1},
    ],
)
def test_wrong_params_are_refused_with_the_name_of_the_field(params: dict[str, object]) -> None:
    a_policy(max_running=1, max_waiting=5)
    refused = refusal(params=params)
    assert refused.code == "invalid"
    assert next(iter(params)) in refused.detail


def test_a_model_that_nobody_serves_is_refused_and_the_others_are_named() -> None:
    a_policy(max_running=1, max_waiting=5)
    a_worker(model="small")
    refused = refusal(model="large")
    assert refused.code == "invalid"
    assert "small" in refused.detail


def test_a_message_longer_than_any_context_is_refused_as_too_long() -> None:
    a_policy(max_running=1, max_waiting=5)
    assert refusal(text="x" * (MAX_PROMPT_BYTES + 1)).code == "too_long"


def test_the_oldest_turns_of_a_huge_history_are_left_out_and_the_system_prompt_stays() -> None:
    a_policy(max_running=1, max_waiting=5)
    turns = [
        {"role": role, "content": role[0] * 100_000}
        for _ in range(4)
        for role in ("user", "assistant")
    ]
    messages = [
        {"role": "system", "content": "be kind"},
        *turns,
        {"role": "user", "content": "now"},
    ]
    request = a_request(messages=messages)
    assert request.truncated
    assert request.messages[0]["content"] == "be kind"
    assert request.messages[-1]["content"] == "now"
    assert sum(len(one["content"]) for one in request.messages) <= MAX_PROMPT_BYTES


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "assistant", "content": "x"}], [{"role": "root", "content": "x"}]],
)
def test_messages_that_are_no_conversation_are_refused(messages: list[dict[str, str]]) -> None:
    a_policy(max_running=1, max_waiting=5)
    assert refusal(messages=messages).code == "invalid"
