"""A worker whose process is gone is seen at once, by its neighbours on the machine alone."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from inference.liveness import ProcessIdentity, is_gone, own_identity
from inference.models import GenerationRequest, WorkerNode
from inference.queue import workers
from inference.queue.claiming import claim
from inference.queue.housekeeping import keeps_house
from inference.queue.rescue import rescue
from tests.inference.build import a_policy, a_request

HERE = own_identity()

pytestmark = pytest.mark.skipif(not HERE.machine, reason="this system does not tell")


def ended_process() -> ProcessIdentity:
    """Of a child that ran on this machine."""
    program = "from inference.liveness import own_identity as o; i = o(); print(i.pid, i.birth)"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pid, birth = map(int, printed.split())
    return replace(HERE, pid=pid, birth=birth)


def test_a_process_that_runs_is_not_gone() -> None:
    assert HERE.pid == os.getpid() and HERE.birth > 0
    assert not is_gone(HERE, HERE)


def test_a_process_that_ended_is_gone() -> None:
    assert is_gone(ended_process(), HERE)


def test_a_dead_child_that_nobody_waited_for_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    described = Path(f"/proc/{child.pid}/stat")
    birth = int(described.read_text().rpartition(")")[2].split()[19])
    identity = replace(HERE, pid=child.pid, birth=birth)
    assert not is_gone(identity, HERE)
    child.kill()
    while " Z " not in described.read_text():
        pass
    assert is_gone(identity, HERE)
    child.wait()


def test_another_process_with_the_same_number_does_not_hide_that_it_is_gone() -> None:
    assert is_gone(replace(HERE, birth=HERE.birth - 1), HERE)


def test_nothing_is_known_of_other_machines() -> None:
    ended = ended_process()
    assert not is_gone(replace(ended, machine="another boot pid:[1]"), HERE)
    assert not is_gone(ended, replace(HERE, machine=""))


@pytest.mark.django_db
def test_what_a_dead_neighbour_ran_is_back_long_before_its_lease_ends() -> None:
    a_policy(max_running=4, max_waiting=10)
    dead = a_worker_of(ended_process())
    request = a_request()
    assert keeps_house(dead.name)
    assert claim(dead, 0) == [request]
    neighbour = a_worker_of(HERE)
    assert workers.bury_the_dead_beside(neighbour) == [dead]
    assert rescue([dead]) == [request]
    request.refresh_from_db()
    dead.refresh_from_db()
    assert request.state == GenerationRequest.State.WAITING
    assert dead.state == WorkerNode.State.STOPPED
    assert keeps_house(neighbour.name)
    assert workers.bury_the_dead_beside(neighbour) == []


@pytest.mark.django_db
def test_a_worker_of_another_machine_is_left_to_its_lease() -> None:
    a_worker_of(replace(ended_process(), machine="elsewhere"))
    assert workers.bury_the_dead_beside(a_worker_of(HERE)) == []


def a_worker_of(process: ProcessIdentity) -> WorkerNode:
    worker = workers.register(f"worker-{process.pid}-{process.machine[:9]}", "host", process)
    workers.report(worker, state="ready", slots=8)
    return worker
