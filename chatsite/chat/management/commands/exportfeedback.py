"""`manage.py exportfeedback [file]`: all feedback as JSON lines."""

import os
from argparse import ArgumentParser
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from chatsite.chat.feedback_export import all_lines


class Command(BaseCommand):
    help = "Writes all feedback as JSON lines: ratings, comments, params and, where kept, texts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="a new file; without it, standard output")

    def handle(self, *args: Any, file: str | None = None, **options: Any) -> None:
        if file is None:
            for line in all_lines():
                self.stdout.write(line, ending="")
            return
        with _new_file(file) as output:
            output.writelines(all_lines())


def _new_file(path: str) -> TextIO:
    """For its owner alone: what people asked may be in it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists already. Name a new file.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    return os.fdopen(descriptor, "w", encoding="utf-8")
