"""Renders chat messages as the model's template says and encodes them.

The template's own control tokens are honoured; the same literals typed inside a message are
encoded as plain text, so that nobody can forge a role. Does not know how much fits.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference.text.errors import InvalidPrompt, TokenizerError
from inference.text.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant")
Message = Mapping[str, str]


class ChatTemplate:
    """``override``: a template file or the template itself, in place of the model's own."""

    def __init__(self, tokenizer: Tokenizer, override: str | None = None) -> None:
        source = _read_override(override) if override else tokenizer.chat_template
        if not source:
            raise TokenizerError(
                "The model has no chat template; name a file with one in CHATSITE_CHAT_TEMPLATE."
            )
        self._tokenizer = tokenizer
        try:
            self._template = _environment().from_string(source)
        except TemplateError as error:
            raise TokenizerError(f"The chat template cannot be read: {error}") from error

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids up to where the assistant's answer begins. Raises InvalidPrompt."""
        for message in messages:
            check_message(message)
        masked = _MaskedMessages(self._tokenizer, messages)
        text = self._render_somehow(masked.messages)
        ids: list[int] = []
        for piece, is_typed in masked.split(text):
            encode = self._tokenizer.encode_plain if is_typed else self._tokenizer.encode
            ids.extend(encode(piece))
        return ids

    def _render_somehow(self, messages: list[Message]) -> str:
        """Templates that know no system role, or want strict turns, get what they can take."""
        try:
            return self.render(messages)
        except InvalidPrompt:
            simpler = simplified(messages)
            if simpler == messages:
                raise
            return self.render(simpler)

    def render(self, messages: Sequence[Message]) -> str:
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=True,
                **self._tokenizer.special_tokens,
            )
        except Exception as error:  # a template is a program: it may raise anything
            raise InvalidPrompt(f"The model's chat template refuses this chat: {error}") from error


def check_message(message: Message) -> None:
    """Raises InvalidPrompt for what no template or tokenizer can take."""
    if message.get("role") not in ROLES:
        raise InvalidPrompt("A message must be of the system, the user or the assistant.")
    content: object = message.get("content")
    if not isinstance(content, str):
        raise InvalidPrompt("The content of a message must be text.")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise InvalidPrompt("The message holds half a character.") from error


def simplified(messages: Sequence[Message]) -> list[Message]:
    """The system's message as part of the first of the user; neighbours of one role as one."""
    simpler: list[Message] = []
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        if simpler and simpler[-1]["role"] == role:
            content = f"{simpler[-1]['content']}\n\n{message['content']}"
            simpler[-1] = {"role": role, "content": content}
        else:
            simpler.append({"role": role, "content": message["content"]})
    return simpler


class _MaskedMessages:
    """The messages with every typed control literal replaced by a mark nobody can type.

    The mark goes through the template like any text, so that trimming and the like still work.
    """

    def __init__(self, tokenizer: Tokenizer, messages: Sequence[Message]) -> None:
        self._literals: list[str] = []
        # Digits, so that no change of case hides it.
        self._mark = f"\ue000{secrets.randbelow(10**18)}\ue001"
        self.messages: list[Message] = [
            {**message, "content": self._mask(tokenizer, message["content"])}
            for message in messages
        ]

    def split(self, rendered: str) -> list[tuple[str, bool]]:
        """(text, whether it was typed) pieces of the rendered text, the literals put back."""
        if not self._literals:
            return [(rendered, False)]
        pieces: list[tuple[str, bool]] = []
        for index, piece in enumerate(re.split(rf"{self._mark}(\d+)\ue002", rendered)):
            is_typed = index % 2 == 1
            pieces.append((self._literals[int(piece)] if is_typed else piece, is_typed))
        return [piece for piece in pieces if piece[0]]

    def _mask(self, tokenizer: Tokenizer, content: str) -> str:
        masked, end = "", 0
        for span in tokenizer.control_spans(content):
            masked += f"{content[end : span.start]}{self._mark}{len(self._literals)}\ue002"
            self._literals.append(content[span.start : span.end])
            end = span.end
        return masked + content[end:]


class _GenerationTag(Extension):
    """``{% generation %}`` marks the assistant's text for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _GenerationTag],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _read_override(override: str) -> str:
    if "{" in override:
        return override
    try:
        return Path(override).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise TokenizerError(f"The chat template {override!r} cannot be read: {error}") from error
