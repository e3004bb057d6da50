"""A program for tests: adds so many events from a process of its own, in as many writes.

`python -m tests.telemetry.processes WRITES` says that it is ready, waits for a line, and ends.
"""

import sys

import django


def work(writes: int) -> None:
    from inference.telemetry.counting import count, flusher, observe
    from inference.telemetry.definitions import ENDED, LATENCY, RESCUES, SUBMITTED

    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(writes):
        count(RESCUES)
        for group in ("staff", "guests"):
            count(SUBMITTED, group=group)
        count(ENDED, model_name="m", finished_reason="stop")
        observe(LATENCY, 3.0, model_name="m")
        while not flusher.flush():
            pass


if __name__ == "__main__":
    django.setup()
    work(int(sys.argv[1]))
