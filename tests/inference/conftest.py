"""What several of the queue's tests begin with."""

import pytest

from inference.models import WorkerNode
from tests.inference.build import a_policy, a_worker


@pytest.fixture
def worker(db: None) -> WorkerNode:
    """The only one, with four places; ten may wait."""
    a_policy(max_running=4, max_waiting=10)
    return a_worker()
