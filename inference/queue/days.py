"""Days, as usage and quotas count them: from midnight to midnight in the site's time zone."""

from datetime import date, datetime, time, timedelta

from django.utils import timezone

from inference.queue.clock import database_now


def today() -> date:
    return day_of(database_now())


def day_of(moment: datetime) -> date:
    return moment.astimezone(timezone.get_default_timezone()).date()


def start_of(day: date) -> datetime:
    """The moment at which a day begins."""
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())


def next_day(day: date) -> date:
    return day + timedelta(days=1)
