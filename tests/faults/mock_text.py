"""What the mock engine says to a message when nothing disturbs it: the runner itself, alone."""

from inference.backends.mock import encode_chat
from inference.engine.mock_runner import MockRunner
from inference.engine.mock_words import decode
from inference.engine.requests import EngineRequest
from inference.engine.runner import Fault, Token
from inference.engine.sampling_params import SamplingParams


def undisturbed(message: str, seed: int) -> str:
    """To its end, or up to an error that the message itself asks for."""
    now = 0.0
    runner = MockRunner(rate=20.0, clock=lambda: now)
    prompt = encode_chat([{"role": "user", "content": message}])
    runner.add(EngineRequest("alone", prompt, SamplingParams(seed=seed)))
    token_ids: list[int] = []
    while True:
        now += 1.0
        for result in runner.step():
            if isinstance(result, Token):
                token_ids.append(result.token_id)
            if isinstance(result, Fault) or (isinstance(result, Token) and result.last):
                return decode(token_ids)
