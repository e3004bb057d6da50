"""Text ends exactly before a stop string, and nothing is held back that need not be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.text.stop_strings import StopStrings

STOPS = st.lists(st.text(alphabet="ab。🙂", min_size=1, max_size=4), max_size=4)
PIECES = st.lists(st.text(alphabet="abc。🙂", max_size=5), max_size=12)


def reference(text: str, stops: list[str]) -> str:
    """Letter by letter: cut before the first stop that is complete, the longest of them."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))]
    return text


@settings(max_examples=500, deadline=None)
@given(pieces=PIECES, stops=STOPS)
def test_the_text_is_the_reference_cut_in_whatever_pieces(
    pieces: list[str], stops: list[str]
) -> None:
    guard = StopStrings(stops)
    shown = "".join(guard.push(piece) for piece in pieces)
    shown += guard.flush()
    assert shown == reference("".join(pieces), stops)


@settings(max_examples=300, deadline=None)
@given(pieces=PIECES, stops=STOPS)
def test_only_the_beginning_of_a_stop_string_is_held(pieces: list[str], stops: list[str]) -> None:
    guard = StopStrings(stops)
    shown = ""
    for number, piece in enumerate(pieces):
        shown += guard.push(piece)
        if guard.matched:
            return
        held = "".join(pieces[: number + 1])[len(shown) :]
        assert held == "" or any(stop.startswith(held) and len(held) < len(stop) for stop in stops)


def test_nothing_is_held_without_stop_strings() -> None:
    guard = StopStrings(())
    assert guard.push("any") == "any"
    assert guard.flush() == ""


def test_a_stop_string_over_several_pieces() -> None:
    guard = StopStrings(["END"])
    assert [guard.push(piece) for piece in ("the E", "N", "D of", " it")] == ["the ", "", "", ""]
    assert guard.matched


def test_a_false_start_is_released() -> None:
    guard = StopStrings(["END"])
    assert [guard.push(piece) for piece in ("E", "NO")] == ["", "ENO"]
    assert guard.flush() == ""


def test_what_is_held_comes_out_when_the_text_ends() -> None:
    guard = StopStrings(["\n\n"])
    assert guard.push("line\n") == "line"
    assert guard.flush() == "\n"
