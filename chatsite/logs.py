"""What the log leaves out. Knows no handler and no format."""

import logging


class WithoutProbes(logging.Filter):
    """Drops the error line for a 503 of `/readyz`: "not yet" is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        return getattr(request, "path", "") != "/readyz"
