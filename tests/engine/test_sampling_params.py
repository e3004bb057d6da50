"""Sampling params check themselves: nothing out of bounds gets past their creation."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest

from inference.engine.requests import EngineRequest
from inference.engine.sampling_params import MAX_SEED, InvalidParams, SamplingParams


def test_the_defaults_are_those_of_the_documentation() -> None:
    params = SamplingParams()
    assert (params.temperature, params.top_p, params.top_k, params.max_tokens) == (0.7, 1.0, 0, 512)
    assert params.seed is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", True),
        ("temperature", "1"),
        ("temperature", None),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_k", False),
        ("min_p", -0.1),
        ("min_p", 1.01),
        ("repetition_penalty", 0),
        ("repetition_penalty", 2.5),
        ("presence_penalty", -2.1),
        ("frequency_penalty", 2.1),
        ("max_tokens", 0),
        ("max_tokens", True),
        ("min_tokens", -1),
        ("stop", [""]),
        ("stop", ["x" * 201]),
        ("stop", ["x"] * 9),
        ("stop", [1]),
        ("stop", 5),
        ("seed", -1),
        ("seed", MAX_SEED + 1),
        ("seed", 1.0),
        ("temperature", 10**400),
        ("logit_bias", None),
        ("logit_bias", []),
        ("logit_bias", "1"),
        ("logit_bias", {"a": 1}),
        ("logit_bias", {"-1": 1}),
        ("logit_bias", {-1: 1}),
        ("logit_bias", {1.0: 1}),
        ("logit_bias", {True: 1}),
        ("logit_bias", {"9" * 5000: 1}),
        ("logit_bias", {MAX_SEED + 1: 1}),
        ("logit_bias", {"1": 1, 1: 1}),
        ("logit_bias", {"1": "1"}),
        ("logit_bias", {"1": True}),
        ("logit_bias", {"1": None}),
        ("logit_bias", {"1": 100.5}),
        ("logit_bias", {"1": -101}),
        ("logit_bias", {"1": math.nan}),
        ("logit_bias", {"1": math.inf}),
        ("logit_bias", {"1": 10**400}),
        ("logit_bias", {token: 0 for token in range(301)}),
        ("logprobs", -1),
        ("logprobs", 21),
        ("logprobs", True),
        ("logprobs", 1.0),
        ("unknown", 1),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidParams) as caught:
        SamplingParams.from_dict({field: value})
    assert caught.value.field == field
    assert str(caught.value).endswith(".")


def test_a_round_trip_through_a_dict_changes_nothing() -> None:
    params = SamplingParams(temperature=0, top_k=5, stop=("a", "b"), seed=MAX_SEED)
    assert SamplingParams.from_dict(params.to_dict()) == params
    assert params.to_dict()["stop"] == ["a", "b"]
    assert pickle.loads(pickle.dumps(params)) == params


def test_a_bias_survives_json_pickling_and_hashing() -> None:
    given = SamplingParams.from_dict({"logit_bias": {7: 1, "3": -100.0}, "logprobs": 20})
    assert given.logit_bias == ((3, -100.0), (7, 1.0))
    told = json.loads(json.dumps(given.to_dict()))
    assert told["logit_bias"] == {"3": -100.0, "7": 1.0}
    same = [SamplingParams.from_dict(told), pickle.loads(pickle.dumps(given)), replace(given)]
    assert {given, *same} == {given}


def test_three_hundred_biases_are_taken() -> None:
    bias = {str(token): 100 for token in range(300)}
    assert len(SamplingParams.from_dict({"logit_bias": bias}).logit_bias) == 300


def test_one_stop_string_needs_no_list() -> None:
    assert SamplingParams.from_dict({"stop": "end"}).stop == ("end",)


def test_the_engine_wants_a_seed() -> None:
    with pytest.raises(InvalidParams):
        EngineRequest("a", [1], SamplingParams())


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(InvalidParams("top_p", "Too much.")))
    assert (error.field, str(error)) == ("top_p", "Too much.")
