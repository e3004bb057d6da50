"""The recorder keeps an ended answer, once and in the right place."""

from uuid import uuid4

import pytest

from chatsite.accounts.models import User
from chatsite.chat.actions import send_message
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageSend, Params
from chatsite.chat.recorder import record_ended
from inference.models import GenerationRequest
from inference.queue import abort

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_row(alice: User) -> GenerationRequest:
    send_message(alice, MessageSend("c", None, None, "Hello", Params("", "", {})))
    return GenerationRequest.objects.get()


def ended(row: GenerationRequest, text: str = "Hi there") -> GenerationRequest:
    row.state, row.finish_reason, row.output_text = "finished", "length", text
    row.prompt_tokens, row.completion_tokens, row.truncated = 5, 2, True
    return row


def test_an_ended_request_becomes_the_answer(request_row: GenerationRequest) -> None:
    record_ended(ended(request_row))
    answer = Message.objects.get(role="assistant")
    assert (answer.state, answer.text, answer.finish_reason) == ("complete", "Hi there", "length")
    assert answer.truncated
    assert answer.usage == {"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 2}
    assert set(answer.timings) == {"queue_s", "ttft_s", "decode_s", "tokens_per_s"}


def test_recording_twice_changes_nothing(request_row: GenerationRequest) -> None:
    record_ended(ended(request_row))
    first = list(Message.objects.order_by("created_at").values())
    record_ended(ended(request_row))
    assert list(Message.objects.order_by("created_at").values()) == first


def test_a_failure_keeps_its_code_and_sentence(request_row: GenerationRequest) -> None:
    request_row.state, request_row.finish_reason = "failed", "failed"
    request_row.code, request_row.detail = "engine_error", "The engine stopped."
    record_ended(request_row)
    answer = Message.objects.get(role="assistant")
    assert (answer.finish_reason, answer.code) == ("failed", "engine_error")
    assert answer.detail == "The engine stopped."


def test_another_request_cannot_write_the_answer(request_row: GenerationRequest) -> None:
    ended(request_row).public_id = uuid4()
    record_ended(request_row)
    assert Message.objects.get(role="assistant").state == "generating"


def test_a_deleted_conversation_stays_deleted(request_row: GenerationRequest) -> None:
    Conversation.objects.all().delete()
    record_ended(ended(request_row))
    assert not Message.objects.exists()


def test_a_request_without_a_conversation_is_left_alone(request_row: GenerationRequest) -> None:
    request_row.context = {}
    record_ended(ended(request_row))
    assert Message.objects.get(role="assistant").state == "generating"


def test_the_queue_calls_the_recorder_when_a_waiting_request_is_aborted(
    alice: User, request_row: GenerationRequest
) -> None:
    abort(str(request_row.public_id), alice)
    answer = Message.objects.get(role="assistant")
    assert (answer.state, answer.finish_reason) == ("complete", "aborted")
