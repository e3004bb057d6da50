"""`manage.py train_demo_model`: makes the bundled model from nothing, or says how good it is."""

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandParser

WEIGHTS = Path(__file__).resolve().parents[2] / "demo_model" / "weights"


class Command(BaseCommand):
    help = (
        "Generates the corpus, trains tokenizer and model, and writes them. About half an hour on "
        "two cores."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, default=WEIGHTS, help="default: %(default)s")
        parser.add_argument("--tokens", type=int, default=0, help="how many to learn from")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--threads", type=int, default=2)
        parser.add_argument(
            "--evaluate", action="store_true", help="train nothing; score the model in --output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Here and not above: other commands must not load torch.
        import torch

        from inference.demo_model.evaluation import score
        from inference.demo_model.training import Recipe, train

        torch.set_num_threads(options["threads"])
        if not options["evaluate"]:
            tokens = {"tokens": options["tokens"]} if options["tokens"] else {}
            result = train(options["output"], Recipe(seed=options["seed"], **tokens), self._say)
            self._say(
                f"{result.seconds / 60:.0f} minutes, {result.tokens_per_second:,.0f} tokens/s"
            )
        for line in score(options["output"], options["seed"]):
            self._say(line)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
