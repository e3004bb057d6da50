"""The bench: real contenders on a very small model, and figures that are what they say."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command

from inference.bench import report, shapes
from inference.bench.bandwidth import floor_seconds, measured_bandwidth, read_bytes
from inference.bench.engine_bench import PEERS, Outcome, Plan, Row, measure
from inference.bench.trace import Figures, RequestTrace, Trace, middle, percentile
from inference.management.commands import bench

MICRO = {**shapes.SHAPES["tiny"], "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 300}


@pytest.fixture(autouse=True)
def _micro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shapes.SHAPES, "tiny", MICRO)


@pytest.fixture(autouse=True)
def _same_threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def a_model(context: int = 256) -> Any:
    return shapes.a_model("tiny", torch.float32, torch.device("cpu"), context, seed=0)


@pytest.mark.long
def test_every_contender_answers_everybody_with_the_same_tokens() -> None:
    plan = Plan(concurrency=(1, 3), prompt=20, new=6, peers=PEERS, repeats=2, seed=0)
    outcome = measure(a_model(), plan, lambda line: None)
    assert [(row.concurrency, row.name) for row in outcome.rows] == [
        (concurrency, name) for concurrency in (1, 3) for name in PEERS
    ]
    for row in outcome.rows:
        assert row.differing == 0
        assert row.figures.tokens_per_s > 0
        assert 0 < row.figures.ttft_p50 <= row.figures.ttft_p99
        assert 0 < row.figures.itl_p50 <= row.figures.itl_p99
    shares = [row.floor_share for row in outcome.rows if row.name == "own"]
    assert all(share is not None and 0 < share < 1 for share in shares)


def test_figures_are_what_they_are_defined_as() -> None:
    one = RequestTrace(10.0, [11.0, 11.5, 12.5], [1, 2, 3])
    other = RequestTrace(10.5, [11.0, 14.0], [1, 2])
    figures = Trace([one, other]).figures()
    assert figures.tokens_per_s == pytest.approx(5 / 4.0)
    assert (figures.ttft_p50, figures.ttft_p99) == (0.5, 1.0)
    assert (figures.itl_p50, figures.itl_p99) == (1.0, 3.0)
    slower = Figures(1.0, 9.0, 9.0, 9.0, 9.0)
    assert middle([figures, figures, slower]) == figures


def test_percentiles_are_the_nearest_rank() -> None:
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7], 99) == 7
    assert percentile([], 50) == 0.0


def test_the_floor_counts_what_a_step_reads() -> None:
    model = a_model()
    own = sum(p.numel() for p in model.parameters())
    assert read_bytes(model) == 4 * own  # tied: the embedding is the output layer
    assert floor_seconds(1000, 10, 4, 50.0, 1000.0) == pytest.approx(3.0)
    assert 1e8 < measured_bandwidth(torch.device("cpu")) < 1e13


def test_the_table_has_a_line_for_each_row_with_its_ratio() -> None:
    own, peer = Figures(300.0, 0.1, 0.2, 0.01, 0.02), Figures(100.0, 0.1, 0.2, 0.01, 0.02)
    rows = [Row(4, "own", own, 0, 0.5), Row(4, "static", peer, 2)]
    lines = list(report.table(Outcome(rows, 2e10)))
    assert "20.0 GB/s" in lines[0]
    assert "own" in lines[2] and "50%" in lines[2] and "same" in lines[2]
    assert "3.00x" in lines[3] and "2 differ" in lines[3]


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    out, target = StringIO(), tmp_path / "bench.json"
    arguments = ["--prompt=10", "--new=4", "--concurrency=2", "--repeats=1", "--threads=1"]
    call_command(
        "bench", "engine", *arguments, "--peers=own,static", f"--json={target}", stdout=out
    )
    written = json.loads(target.read_text())
    assert [row["name"] for row in written["rows"]] == ["own", "static"]
    for row in written["rows"]:
        assert f"{row['figures']['tokens_per_s']:.1f}" in out.getvalue()
    assert written["environment"]["threads"] == 1
    assert "1 threads" in out.getvalue() and "float32" in out.getvalue()


def test_the_command_measures_a_long_prompt_and_a_second_turn() -> None:
    out = StringIO()
    call_command(
        *("bench", "engine", "--threads=1", "--prefill-stall=700", "--second-turn=300"), stdout=out
    )
    lines = out.getvalue().splitlines()
    assert sum("beside 700 prompt tokens" in line for line in lines) == 3
    assert sum("331 kept" in line for line in lines) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model=/nowhere"], "no folder"),
        (["--peers=vllm"], "no 'vllm'"),
        (["--concurrency=0"], "above 0"),
        (["--concurrency=many"], "list of numbers"),
        (["--dtype=int3"], "dtype must be"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("bench", "engine", *arguments)


def test_the_command_and_the_bench_know_the_same_peers() -> None:
    assert bench.PEERS == PEERS
