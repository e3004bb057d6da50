"""Every stage of the sampler against transformers' own logits processors, rows mixed."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from inference.engine.filters import filter_scores
from inference.engine.sampler import Sampler, SamplerRow
from inference.engine.sampler_batch import make_batch
from inference.engine.sampling_params import SamplingParams

WIDTH = 50
STOP = 5
PROMPT = [1, 7, 7, 30]
FILTERS = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.05, 2.0),
        "top_k": st.integers(0, WIDTH + 5),
        "top_p": st.floats(0.05, 1.0),
        "min_p": st.floats(0.0, 0.9),
    }
)
GREEDY = st.fixed_dictionaries(
    {
        "repetition_penalty": st.sampled_from([1.0, 0.7, 1.9]),
        "min_tokens": st.sampled_from([0, 2, 9]),
        "logit_bias": st.dictionaries(
            st.integers(0, WIDTH - 1), st.floats(-5, 5).filter(bool), max_size=4
        ),
    }
)


def some_logits(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


def a_sampler(rows: list[dict[str, Any]], made: list[int]) -> Sampler:
    sampler = Sampler(len(rows), WIDTH, torch.device("cpu"))
    for slot, params in enumerate(rows):
        wanted = SamplingParams.from_dict(params)
        sampler.admit(slot, SamplerRow(wanted, 0, PROMPT, made, frozenset([STOP])))
    return sampler


def their_filters(params: dict[str, Any]) -> Any:
    theirs: Any = LogitsProcessorList([TemperatureLogitsWarper(params["temperature"])])
    if params["top_k"]:
        theirs.append(TopKLogitsWarper(params["top_k"]))
    if params["top_p"] < 1.0:
        theirs.append(TopPLogitsWarper(params["top_p"]))
    if params["min_p"] > 0.0:
        theirs.append(MinPLogitsWarper(params["min_p"]))
    return theirs


def their_adjustments(params: dict[str, Any]) -> Any:
    theirs: Any = LogitsProcessorList()
    if params["logit_bias"]:
        bias: Any = {(token,): value for token, value in params["logit_bias"].items()}
        theirs.append(SequenceBiasLogitsProcessor(bias))
    if params["repetition_penalty"] != 1.0:
        theirs.append(RepetitionPenaltyLogitsProcessor(params["repetition_penalty"]))
    shortest = MinNewTokensLengthLogitsProcessor(len(PROMPT), params["min_tokens"], [STOP])
    theirs.append(shortest)
    return theirs


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(FILTERS, min_size=1, max_size=5), seed=st.integers(0, 10_000))
def test_filters_keep_what_transformers_keeps(rows: list[dict[str, Any]], seed: int) -> None:
    logits = some_logits(len(rows), seed)
    batch = make_batch(a_sampler(rows, [])._state, range(len(rows)))
    assert batch.filters is not None
    kept = filter_scores(logits, batch.filters).softmax(-1)
    for at, params in enumerate(rows):
        expected = their_filters(params)(torch.tensor([[0]]), logits[at : at + 1]).softmax(-1)
        torch.testing.assert_close(kept[at : at + 1], expected, atol=1e-5, rtol=1e-4)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(GREEDY, min_size=1, max_size=5),
    made=st.lists(st.integers(0, WIDTH - 1), max_size=5),
    seed=st.integers(0, 10_000),
)
def test_bias_repetition_penalty_and_min_tokens_are_those_of_transformers(
    rows: list[dict[str, Any]], made: list[int], seed: int
) -> None:
    logits = some_logits(len(rows), seed)
    greedy = [{**params, "temperature": 0.0} for params in rows]
    sampled = a_sampler(greedy, made).sample(logits, range(len(rows))).read()
    seen = torch.tensor([PROMPT + made])
    for at, params in enumerate(rows):
        expected = their_adjustments(params)(seen, logits[at : at + 1].clone())
        assert sampled[at].token_id == int(expected.argmax())


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(GREEDY, min_size=1, max_size=5),
    made=st.lists(st.integers(0, WIDTH - 1), max_size=5),
    presence=st.floats(-2, 2),
    frequency=st.floats(-2, 2),
    seed=st.integers(0, 10_000),
)
def test_every_score_is_adjusted_as_by_transformers_and_as_openai_says(
    rows: list[dict[str, Any]], made: list[int], presence: float, frequency: float, seed: int
) -> None:
    """OpenAI: logit[j] -= count[j] * frequency + (count[j] > 0) * presence, of the output only."""
    logits = some_logits(len(rows), seed)
    penalties = {"presence_penalty": presence, "frequency_penalty": frequency}
    sampler = a_sampler([{**params, **penalties, "temperature": 0.0} for params in rows], made)
    batch = make_batch(sampler._state, range(len(rows)))
    adjusted = sampler._adjust(logits, batch)
    for at, params in enumerate(rows):
        expected = their_adjustments(params)(torch.tensor([PROMPT + made]), logits[at : at + 1])
        expected = expected.clone()
        for token in set(made):
            expected[0, token] -= made.count(token) * frequency + presence
        torch.testing.assert_close(adjusted[at : at + 1], expected, atol=1e-5, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(row=FILTERS, seed=st.integers(0, 10_000))
def test_of_equally_likely_tokens_all_are_kept_or_none(row: dict[str, Any], seed: int) -> None:
    """transformers keeps some of those at the border of top-p, by the order of their ids."""
    logits = some_logits(1, seed).round()
    batch = make_batch(a_sampler([row], [])._state, [0])
    assert batch.filters is not None
    kept = filter_scores(logits, batch.filters).isfinite()
    theirs = their_filters({**row, "min_p": 0.0})(torch.tensor([[0]]), logits).isfinite()
    if row["min_p"] == 0.0:
        assert bool((kept | ~theirs).all())
    assert not set(logits[kept].tolist()) & set(logits[~kept].tolist())
