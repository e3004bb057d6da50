"""The sampler: rows that do not see each other, its memory of slots, and its noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.generation.logits_process import TopPLogitsWarper

from inference.engine.filters import filter_scores
from inference.engine.mixing import key_of
from inference.engine.noise import _signed, base_of, keys_of, uniforms
from inference.engine.sampler import Choice, Sampler, SamplerRow
from inference.engine.sampler_batch import make_batch
from inference.engine.sampling_params import SamplingParams

WIDTH = 50
CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "temperature": 0.8,
    "top_k": 20,
    "top_p": 0.9,
    "min_p": 0.01,
    "repetition_penalty": 1.2,
    "presence_penalty": 0.3,
    "frequency_penalty": 0.2,
    "min_tokens": 4,
    "stop_token_ids": [3, 4],
    "logit_bias": {"7": 2.0, "9": -50},
    "logprobs": 3,
}


def a_row(
    prompt: list[int] | None = None, made: list[int] | None = None, **params: Any
) -> SamplerRow:
    stops = frozenset(params.pop("stop_token_ids", ()))
    wanted = SamplingParams.from_dict(params)
    return SamplerRow(wanted, params.get("seed", 0), prompt or [0], made or [], stops)


def some_logits(rows: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


def choices(logits: torch.Tensor, rows: Sequence[SamplerRow]) -> list[Choice]:
    """One step of a new sampler that holds just these rows."""
    sampler = Sampler(len(rows), logits.shape[-1], CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    return sampler.sample(logits, range(len(rows))).read()


def sample(logits: torch.Tensor, rows: Sequence[SamplerRow]) -> list[int | None]:
    return [choice.token_id for choice in choices(logits, rows)]


def noise_of(drawings: list[tuple[int, int]]) -> torch.Tensor:
    bases = torch.tensor([base_of(seed) for seed, _ in drawings])
    positions = torch.tensor([position for _, position in drawings])
    return uniforms(keys_of(bases, positions))


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


def test_noise_depends_on_seed_and_position_only() -> None:
    both = noise_of([(1, 5), (2**63 - 1, 0)])
    assert torch.equal(both[0], noise_of([(1, 5)])[0])
    assert torch.equal(both[1], noise_of([(2**63 - 1, 0)])[0])
    assert not torch.equal(both[0], noise_of([(1, 6)])[0])
    assert not torch.equal(both[0], noise_of([(2**32 + 1, 5)])[0])


def test_noise_is_spread_evenly_between_zero_and_one() -> None:
    noise = noise_of([(seed, position) for seed in range(100) for position in range(100)])
    assert float(noise.min()) > 0 and float(noise.max()) < 1
    tenths = torch.histc(noise, bins=10, min=0, max=1)
    assert all(abs(count - 1000) < 150 for count in tenths.tolist())
    extremes = uniforms(torch.tensor([0, -1]))
    assert 0 < float(extremes[0]) < float(extremes[1]) < 1


@given(seed=st.integers(0, 2**63 - 1), position=st.integers(0, 2**31))
def test_keys_on_the_device_are_those_of_the_definition(seed: int, position: int) -> None:
    keys = keys_of(torch.tensor([base_of(seed)]), torch.tensor([position]))
    assert keys.tolist() == [_signed(key_of(seed, position))]


def test_keys_do_not_repeat() -> None:
    keys = {key_of(seed, position) for seed in range(100) for position in range(100)}
    assert len(keys) == 10_000


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 4000
    rows = [a_row([0], [0] * (i % 50), temperature=1.0, seed=i) for i in range(draws)]
    counts = Counter(sample(logits.expand(draws, 4), rows))
    for token, likely in enumerate(logits.softmax(-1)[0].tolist()):
        spread = (draws * likely * (1 - likely)) ** 0.5
        assert abs(counts[token] - draws * likely) < 4 * spread


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


class _Waits(TorchDispatchMode):
    """Raises on operations that would wait for a device or copy from it."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "multinomial", "masked_select", "item")

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        assert name not in self.FORBIDDEN, name
        return function(*args, **(kwargs or {}))


def waits() -> Any:
    mode: Any = _Waits
    return mode()


def test_sampling_never_waits_for_the_device() -> None:
    rows = [a_row(seed=1, **EVERYTHING), a_row(temperature=0.0), a_row(temperature=1.0)]
    sampler = Sampler(3, WIDTH, CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    for step in range(2):
        with waits():
            sampled = sampler.sample(some_logits(3, step), [0, 1, 2])
        assert all(choice.token_id is not None for choice in sampled.read())
    with pytest.raises(AssertionError, match="_local_scalar_dense"), waits():
        torch.ones(1).item()


def test_sampling_needs_nothing_from_a_device_that_tells_nothing() -> None:
    """Tensors on the meta device have no numbers, so whatever would wait for one fails there.

    It also takes the way of a GPU where that of a CPU differs.
    """
    meta = torch.device("meta")
    rows = [a_row(seed=1, **EVERYTHING), a_row(temperature=0.0), a_row(temperature=1.0, top_p=0.9)]
    sampler = Sampler(1, 3000, meta)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    for slots in ([0, 1, 2], [1], [2, 0]):
        sampled = sampler.sample(torch.empty(len(slots), 3000, device=meta), slots)
        assert sampled.token_ids.shape == (len(slots),)
        assert sampled.token_ids.device == meta


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


def test_draws_follow_the_distribution_that_the_filters_leave() -> None:
    """Chi-square of 6000 draws, at most five standard deviations above its mean."""
    draws, width = 6000, 700
    logits = torch.randn(1, width, generator=torch.Generator().manual_seed(8)) * 2
    params: dict[str, Any] = {"temperature": 0.9, "top_k": 60, "top_p": 0.9, "min_p": 0.02}
    sampler = Sampler(draws, width, CPU)
    for slot in range(draws):
        sampler.admit(slot, a_row(seed=slot, **params))
    filters = make_batch(sampler._state, [0]).filters
    assert filters is not None
    likely = filter_scores(logits, filters).softmax(-1)[0]
    drawn = sampler.sample(logits.expand(draws, width), range(draws)).token_ids
    counts = torch.bincount(drawn, minlength=width)
    kept = likely > 0
    assert int(counts[~kept].sum()) == 0
    wanted = likely[kept] * draws
    freedom = int(kept.sum()) - 1
    assert freedom > 10
    assert float(((counts[kept] - wanted) ** 2 / wanted).sum()) < freedom + 5 * (2 * freedom) ** 0.5


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_company_changes_no_filter_of_a_large_vocabulary(data: Any) -> None:
    params: Any = {
        "temperature": st.sampled_from([0.3, 1.0, 2.0]),
        "top_k": st.sampled_from([0, 0, 1, 40, 5000]),
        "top_p": st.sampled_from([1.0, 0.5, 0.95, 0.999]),
        "min_p": st.sampled_from([0.0, 0.05]),
    }
    width = 1500
    rows = data.draw(st.lists(st.fixed_dictionaries(params), min_size=2, max_size=5))
    seed = data.draw(st.integers(0, 999))
    # Coarse values, as a half-precision model has: many tokens are equally likely.
    coarse = torch.randn(len(rows), width, generator=torch.Generator().manual_seed(seed)) * 4
    logits = coarse.bfloat16().float()
    sampler = Sampler(len(rows), width, CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, a_row(**row))
    every = make_batch(sampler._state, range(len(rows))).filters
    assert every is not None
    together = filter_scores(logits, every)
    for at in range(len(rows)):
        alone = make_batch(sampler._state, [at]).filters
        assert alone is not None
        assert torch.equal(together[at : at + 1], filter_scores(logits[at : at + 1], alone))


def test_a_large_vocabulary_keeps_the_same_tokens_with_and_without_a_full_sort() -> None:
    """The likeliest few are enough for some rows only; company must not change what is kept."""
    width = 3000
    peaked = torch.randn(1, width, generator=torch.Generator().manual_seed(1)) * 6
    flat = torch.randn(1, width, generator=torch.Generator().manual_seed(2)) * 0.1
    both = torch.cat([peaked, flat])
    rows = [a_row(temperature=1.0, top_p=0.9)] * 2
    sampler = Sampler(2, width, CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    together = make_batch(sampler._state, [0, 1]).filters
    alone = make_batch(sampler._state, [0]).filters
    assert together is not None and alone is not None
    kept = filter_scores(both, together).isfinite()
    assert torch.equal(kept[:1], filter_scores(peaked, alone).isfinite())
    for logits, row_kept in zip((peaked, flat), kept, strict=True):
        their: Any = TopPLogitsWarper(0.9)
        assert torch.equal(their(torch.tensor([[0]]), logits).isfinite()[0], row_kept)


def test_a_token_that_was_filtered_out_is_never_drawn() -> None:
    logits = torch.zeros(1, WIDTH)
    rows = [a_row(temperature=2.0, top_k=1, seed=seed) for seed in range(200)]
    logits[0, 17] = 1e-3
    assert set(sample(logits.expand(200, WIDTH), rows)) == {17}
