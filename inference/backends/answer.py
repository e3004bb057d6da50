"""One answer on its way: from the engine's tokens to text that may be shown.

Knows the request's own text; not the engine process and not the other requests.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from inference.engine.sampling_params import SamplingParams
from inference.text.detokenizer import Decoder, Detokenizer
from inference.text.stop_strings import StopStrings


class Answer:
    """Feeds tokens through the detokenizer and the stop strings.

    A resumed answer is run through again up to where it was, and only text beyond what was
    published comes out.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompt_token_ids: Sequence[int],
        params: SamplingParams,
        silent_ids: Collection[int] = (),
    ) -> None:
        self._detokenizer = Detokenizer(decoder, prompt_token_ids)
        self._stops = StopStrings(params.stop)
        self._min_tokens = params.min_tokens
        self._silent_ids = silent_ids
        self._made = 0
        self._published = 0  # characters still to be left out

    @property
    def stopped(self) -> bool:
        """A stop string came; everything after it is void."""
        return self._stops.matched

    def resume(self, token_ids: Sequence[int], text: str) -> str:
        """Takes what an earlier attempt made; returns text it had not published yet."""
        self._published = len(text)
        return "".join([self.push(token_id) for token_id in token_ids])

    def push(self, token_id: int) -> str:
        self._made += 1
        if token_id in self._silent_ids:
            return ""
        return self._new(self._until_stop(_storable(self._detokenizer.push(token_id))))

    def flush(self) -> str:
        """The rest, when the answer ends by itself or is aborted."""
        rest = self._until_stop(_storable(self._detokenizer.flush()))
        return self._new(rest + self._stops.flush())

    def _until_stop(self, text: str) -> str:
        # Before min_tokens a stop string is text like any other.
        return text if self._made < self._min_tokens else self._stops.push(text)

    def _new(self, text: str) -> str:
        left_out = min(self._published, len(text))
        self._published -= left_out
        return text[left_out:]


def _storable(text: str) -> str:
    """PostgreSQL refuses NUL, which a model may well say."""
    return text.replace("\x00", "\ufffd")
