"""What the sampler draws: its noise, and tokens as likely as the filters leave them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import TopPLogitsWarper

from inference.engine.filters import filter_scores
from inference.engine.mixing import key_of
from inference.engine.noise import _signed, base_of, keys_of, uniforms
from inference.engine.sampler import Sampler
from inference.engine.sampler_batch import make_batch
from tests.engine.sampling import CPU, WIDTH, a_row, sample


def noise_of(drawings: list[tuple[int, int]]) -> torch.Tensor:
    bases = torch.tensor([base_of(seed) for seed, _ in drawings])
    positions = torch.tensor([position for _, position in drawings])
    return uniforms(keys_of(bases, positions))


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
