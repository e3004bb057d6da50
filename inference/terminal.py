"""Says on the terminal how far the model is; one line per stage when nobody looks."""

import sys
from typing import TextIO

from inference.backends.base import Progress


class ProgressLine:
    """Prints load progress: a line that redraws itself on a terminal, plain lines elsewhere."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._redraws = stream.isatty()
        self._stage = ""
        self._open = False

    def __call__(self, progress: Progress) -> None:
        if self._redraws:
            self._redraw(progress)
        elif progress.stage != self._stage:
            self._write(f"{self._text(progress)}\n")
        self._stage = progress.stage

    def close(self) -> None:
        """Ends a line that is still being redrawn."""
        if self._open:
            self._write("\n")
        self._open = False

    def _redraw(self, progress: Progress) -> None:
        if self._open and progress.stage != self._stage:
            self._write("\n")
        self._write(f"\r\033[K{self._text(progress)}")
        self._open = True

    def _text(self, progress: Progress) -> str:
        share = "" if progress.fraction is None else f" {progress.fraction:4.0%}"
        detail = f" ({progress.detail})" if progress.detail else ""
        return f"{progress.stage}{share}{detail}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
