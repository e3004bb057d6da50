"""`manage.py prune`: deletes old requests from the history; what they used stays counted."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from inference import conf
from inference.queue import pruning


class Command(BaseCommand):
    help = (
        "Deletes ended requests that are older than CHATSITE_KEEP_REQUESTS_DAYS, in small batches "
        "while the site runs. What was used stays counted; chat messages stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=int, help="keep this many days instead of what the settings say"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only say how many would be deleted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = conf.keep_requests_days() if options["days"] is None else options["days"]
        if days < 0:
            raise CommandError("--days must not be negative. Give 1 or more, or 0 to keep all.")
        if not days:
            self.stdout.write("Requests are kept for ever, by 0 days. Nothing was deleted.")
            return
        if options["dry_run"]:
            count = pruning.prunable(days).count()
            self.stdout.write(f"Would delete {count} requests that ended over {days} days ago.")
            return
        deleted = sum(pruning.prune(days))
        self.stdout.write(f"Deleted {deleted} requests that ended over {days} days ago.")
