"""`manage.py bench engine|fanout|chat|monitor`: measure beside peers (docs/benchmarks.md)."""

import json
import os
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from inference import conf

KINDS = ("own", "pubsub", "core")
PEERS = ("own", "generate", "static", "continuous", "interleaved")


def numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a list of numbers, as in 1,4,16") from error
    if min(found) < 1:
        raise ArgumentTypeError("the numbers must be above 0")
    return found


def peers(text: str) -> tuple[str, ...]:
    return _some_of(PEERS, text)


def kinds_of_wires(text: str) -> tuple[str, ...]:
    return _some_of(KINDS, text)


def _some_of(choices: tuple[str, ...], text: str) -> tuple[str, ...]:
    found = tuple(text.split(","))
    unknown = set(found) - set(choices)
    if unknown:
        raise ArgumentTypeError(
            f"there is no {sorted(unknown)[0]!r}; choose of {','.join(choices)}"
        )
    return found


class Command(BaseCommand):
    help = "Measures speed beside peers in the same run; docs/benchmarks.md says what figures mean."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True)
        fanout = "tokens from the engine to WebSocket clients, beside stock channel layers"
        self._add_fanout(kinds.add_parser("fanout", help=fanout))
        self._add_engine(
            kinds.add_parser("engine", help="the engine beside transformers' own ways")
        )
        self._add_chat(kinds.add_parser("chat", help="a whole site beside its engine alone"))
        self._add_monitor(kinds.add_parser("monitor", help="what watching the live queue costs"))

    def _add_fanout(self, fanout: CommandParser) -> None:
        fanout.add_argument("--sockets", type=int, default=1_000)
        fanout.add_argument("--streaming", type=int, default=200, help="sockets with an answer")
        fanout.add_argument("--rate", type=float, default=50.0, help="tokens/s of each answer")
        fanout.add_argument("--seconds", type=float, default=10.0)
        fanout.add_argument("--kinds", type=kinds_of_wires, default=KINDS, help=",".join(KINDS))
        fanout.add_argument("--json", type=Path, help="write everything to this file as well")

    def _add_engine(self, engine: CommandParser) -> None:
        engine.add_argument(
            "--model", default="tiny", help="tiny, 135m, 0.6b, 1b, 8b (random weights), or a model"
        )
        engine.add_argument("--dtype", default="auto")
        engine.add_argument("--device", default="auto")
        engine.add_argument("--threads", type=int, default=os.cpu_count() or 1)
        engine.add_argument("--concurrency", type=numbers, default=(1, 4, 16))
        engine.add_argument("--prompt", type=int, default=64, help="tokens (default: 64)")
        engine.add_argument("--new", type=int, default=64, help="output tokens (default: 64)")
        engine.add_argument("--peers", type=peers, default=PEERS, help=",".join(PEERS))
        engine.add_argument("--repeats", type=int, default=3)
        engine.add_argument("--seed", type=int, default=0)
        engine.add_argument("--json", type=Path, help="write everything to this file as well")
        engine.add_argument(
            "--prefill-stall", type=int, metavar="TOKENS", help="ITL of 8 beside a long prompt"
        )
        engine.add_argument(
            "--second-turn", type=int, metavar="TOKENS", help="TTFT of a conversation's second turn"
        )

    def _add_chat(self, chat: CommandParser) -> None:
        model = conf.backend_options().model
        chat.add_argument("--model", default=model, help="a folder or a hub id")
        chat.add_argument("--people", type=int, default=16)
        chat.add_argument("--new", type=int, default=256, help="tokens of each answer")
        chat.add_argument("--threads", type=int, default=1, help="of the engine")
        chat.add_argument("--rounds", type=int, default=3)
        chat.add_argument("--repeats", type=int, default=3)
        chat.add_argument("--json", type=Path, help="write everything to this file as well")

    def _add_monitor(self, monitor: CommandParser) -> None:
        monitor.add_argument("--requests", type=int, default=200, help="half run, half wait")
        monitor.add_argument("--watchers", type=int, default=5)
        monitor.add_argument("--rate", type=float, default=20.0, help="tokens/s of each request")
        monitor.add_argument("--seconds", type=float, default=20.0)
        monitor.add_argument("--repeats", type=int, default=3)
        monitor.add_argument("--json", type=Path, help="write everything to this file as well")

    def handle(self, *args: Any, **options: Any) -> None:
        measures = {
            "fanout": self._fanout,
            "engine": self._engine,
            "chat": self._chat,
            "monitor": self._monitor,
        }
        found = measures[options["kind"]](options)
        if options["json"]:
            options["json"].write_text(json.dumps(found, indent=1, default=asdict) + "\n")

    def _fanout(self, options: dict[str, Any]) -> dict[str, Any]:
        from inference.bench.fanout.command import run_fanout_bench
        from inference.bench.fanout.stage import BenchError

        try:
            return run_fanout_bench(options, self._say)
        except BenchError as error:
            raise CommandError(str(error)) from error

    def _chat(self, options: dict[str, Any]) -> dict[str, Any]:
        from inference.bench.chat.command import run_chat_bench
        from inference.bench.fanout.stage import BenchError

        try:
            return run_chat_bench(options, self._say)
        except BenchError as error:
            raise CommandError(str(error)) from error

    def _monitor(self, options: dict[str, Any]) -> dict[str, Any]:
        from inference.bench.fanout.stage import BenchError
        from inference.bench.monitor.command import run_monitor_bench

        try:
            return run_monitor_bench(options, self._say)
        except BenchError as error:
            raise CommandError(str(error)) from error

    def _engine(self, options: dict[str, Any]) -> dict[str, Any]:
        # Here and not above: other commands must not load torch.
        from inference.bench.command import run_engine_bench
        from inference.engine.errors import LoadError

        try:
            return run_engine_bench(options, self._say)
        except LoadError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
