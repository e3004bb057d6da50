"""The sampler: rows that do not see each other, and its memory of slots."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine.sampler import Sampler
from tests.engine.sampling import CPU, EVERYTHING, WIDTH, a_row, choices, sample, some_logits


def test_rows_with_different_params_do_not_see_each_other() -> None:
    logits = some_logits(4)
    rows = [
        a_row(temperature=0.0),
        a_row(temperature=1.0, top_k=3, seed=5),
        a_row([1, 2], [3, 4], temperature=0.8, top_p=0.7, frequency_penalty=1.0, seed=6),
        a_row([1], [2], temperature=1.5, min_p=0.1, repetition_penalty=1.3, seed=7),
    ]
    together = sample(logits, rows)
    alone = [sample(logits[i : i + 1], [row])[0] for i, row in enumerate(rows)]
    assert together == alone


def test_greedy_takes_the_likeliest() -> None:
    logits = some_logits(3)
    assert sample(logits, [a_row(temperature=0.0)] * 3) == logits.argmax(-1).tolist()


def test_presence_and_frequency_count_the_output_only() -> None:
    logits = torch.zeros(1, 4)
    logits[0] = torch.tensor([3.0, 2.5, 2.4, 0.0])
    row = a_row([1, 1, 1], [0], temperature=0.0, presence_penalty=0.55)
    assert sample(logits, [row]) == [1]
    twice = a_row([2], [0, 1, 1, 0], temperature=0.0, frequency_penalty=0.4)
    assert sample(logits, [twice]) == [2]


def test_no_stop_token_before_min_tokens() -> None:
    logits = torch.tensor([[9.0, 1.0, 0.0]])
    params = {"temperature": 0.0, "min_tokens": 2, "stop_token_ids": [0]}
    assert sample(logits, [a_row([1], [1], **params)]) == [1]
    assert sample(logits, [a_row([1], [1, 1], **params)]) == [0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_without_numbers_fails_alone(bad: float) -> None:
    logits = some_logits(3)
    logits[1, 4] = bad
    chosen = sample(logits, [a_row(temperature=t) for t in (0.0, 1.0, 1.0)])
    assert chosen[1] is None
    assert chosen[0] is not None and chosen[2] is not None
    assert sample(torch.full((1, 4), float("-inf")), [a_row()]) == [None]


def test_a_tiny_temperature_is_greedy() -> None:
    logits = some_logits(1)
    assert sample(logits, [a_row(temperature=1e-9, seed=1)]) == logits.argmax(-1).tolist()


def run(sampler: Sampler, slot: int, steps: int, seed: int) -> list[int | None]:
    made: list[int | None] = []
    for step in range(steps):
        logits = some_logits(1, seed * 1000 + step)
        made.append(sampler.sample(logits, [slot]).read()[0].token_id)
    return made


def test_a_resumed_row_goes_on_as_if_it_had_never_stopped() -> None:
    whole = Sampler(1, WIDTH, CPU)
    whole.admit(0, a_row([1, 2], seed=5, **EVERYTHING))
    tokens = run(whole, 0, 12, seed=9)
    resumed = Sampler(1, WIDTH, CPU)
    resumed.admit(0, a_row([1, 2], [token or 0 for token in tokens[:5]], seed=5, **EVERYTHING))
    rest = [
        resumed.sample(some_logits(1, 9000 + step), [0]).read()[0].token_id for step in range(5, 12)
    ]
    assert rest == tokens[5:]


def test_nothing_is_left_of_the_row_that_had_the_slot_before() -> None:
    used, new = Sampler(1, WIDTH, CPU), Sampler(1, WIDTH, CPU)
    used.admit(0, a_row([9, 9, 8], seed=1, **EVERYTHING))
    run(used, 0, 6, seed=2)
    used.release(0)
    for sampler in (used, new):
        sampler.admit(0, a_row([1], seed=7, **EVERYTHING))
    assert run(used, 0, 8, seed=4) == run(new, 0, 8, seed=4)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_row_is_the_same_in_any_company_at_any_place(data: Any) -> None:
    params: Any = {
        "temperature": st.sampled_from([0.0, 0.5, 1.3]),
        "top_k": st.sampled_from([0, 1, 5, 60]),
        "top_p": st.sampled_from([1.0, 0.5, 0.95]),
        "min_p": st.sampled_from([0.0, 0.1]),
        "repetition_penalty": st.sampled_from([1.0, 1.5]),
        "frequency_penalty": st.sampled_from([0.0, 0.7]),
        "min_tokens": st.sampled_from([0, 6]),
        "logprobs": st.sampled_from([None, 0, 2]),
        "logit_bias": st.sampled_from([{}, {"4": 3.0}]),
        "seed": st.integers(0, 99),
    }
    rows = data.draw(st.lists(st.fixed_dictionaries(params), min_size=2, max_size=6))
    places = data.draw(st.permutations(range(len(rows))))
    together = Sampler(1, WIDTH, CPU)
    alone = [Sampler(1, WIDTH, CPU) for _ in rows]
    for row, slot, single in zip(rows, places, alone, strict=True):
        for sampler, at in ((together, slot), (single, 0)):
            sampler.admit(at, a_row([1, 2], **row, stop_token_ids=[5]))
    for step in range(4):
        logits = some_logits(len(rows), step)
        made = together.sample(logits, places).read()
        for at, single in enumerate(alone):
            expected = single.sample(logits[at : at + 1], [0]).read()[0]
            assert made[at].token_id == expected.token_id
            assert dict(made[at].top) == pytest.approx(dict(expected.top))


def test_logprobs_are_those_of_the_model_itself() -> None:
    logits = some_logits(2)
    chosen, silent = choices(logits, [a_row(seed=1, **EVERYTHING), a_row(temperature=0.0)])
    known = logits.log_softmax(-1)[0]
    assert chosen.token_id is not None
    assert chosen.logprob == pytest.approx(float(known[chosen.token_id]), abs=1e-5)
    best = known.topk(3)
    assert [token for token, _ in chosen.top] == best.indices.tolist()
    assert [value for _, value in chosen.top] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert silent.logprob is None and silent.top == []


def test_a_bias_moves_a_greedy_choice() -> None:
    logits = some_logits(1)
    assert sample(logits, [a_row(temperature=0.0, logit_bias={"11": 100})]) == [11]
    best = int(logits.argmax())
    assert sample(logits, [a_row(temperature=0.0, logit_bias={str(best): -100})]) != [best]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_of_which_nothing_is_left_has_no_token(temperature: float) -> None:
    logits = torch.full((2, 4), float("-inf"))
    logits[0, 1] = logits[1, 2] = 1.0
    stopped = a_row(temperature=temperature, min_tokens=3, stop_token_ids=[1])
    assert sample(logits, [stopped, stopped]) == [None, 2]


def test_a_stop_token_that_the_model_does_not_have_is_no_matter() -> None:
    logits = torch.tensor([[9.0, 1.0, 0.0]])
    row = a_row(temperature=0.0, min_tokens=2, stop_token_ids=[0, 3, 10**9])
    assert sample(logits, [row]) == [1]


def test_more_logprobs_than_tokens_are_all_of_them() -> None:
    chosen = choices(torch.tensor([[1.0, 3.0, 2.0]]), [a_row(temperature=0.0, logprobs=20)])[0]
    assert [token for token, _ in chosen.top] == [1, 2, 0]


def test_params_become_tensors_once_for_each_group_of_slots() -> None:
    sampler = Sampler(3, WIDTH, CPU)
    for slot in range(3):
        sampler.admit(slot, a_row([1], seed=slot, **EVERYTHING))
    for slots in ([0], [1, 2], [0], [1, 2], [0]):
        sampler.sample(some_logits(len(slots)), slots)
    kept = sampler._batches[(0,)]
    assert set(sampler._batches) == {(0,), (1, 2)}
    sampler.release(2)
    assert sampler._batches == {(0,): kept}


def test_rows_that_take_turns_keep_their_own_positions() -> None:
    logits = [some_logits(1, step) for step in range(6)]
    turns = Sampler(1, WIDTH, CPU)
    expected = []
    for slot in range(3):
        row = a_row([slot], seed=slot, **EVERYTHING)
        turns.admit(slot, row)
        alone = Sampler(1, WIDTH, CPU)
        alone.admit(0, row)
        expected.append([alone.sample(one, [0]).read() for one in logits])
    made = [[turns.sample(one, [slot]).read() for slot in range(3)] for one in logits]
    assert [list(one) for one in zip(*made, strict=True)] == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), cut=st.integers(0, 11), top_p=st.sampled_from([1.0, 0.9]))
def test_a_row_may_be_resumed_after_any_token(seed: int, cut: int, top_p: float) -> None:
    row = {**EVERYTHING, "top_p": top_p, "seed": seed}
    sampler = Sampler(2, WIDTH, CPU)
    sampler.admit(0, a_row([1, 2], **row))
    tokens = [token or 0 for token in run(sampler, 0, 12, seed=9)]
    sampler.admit(1, a_row([1, 2], tokens[:cut], **row))
    rest = [
        sampler.sample(some_logits(1, 9000 + step), [1]).read()[0].token_id
        for step in range(cut, 12)
    ]
    assert rest == tokens[cut:]
