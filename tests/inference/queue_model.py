"""The queue in plain Python: how admission, order, positions, claims and the poison rule should be.

Written from the promises (`docs/architecture.md`), not from the code under test.
"""

from dataclasses import dataclass, field

ACTIVE = ("waiting", "running")
PRIORITY = {"staff": 2, "members": 1, "guests": 0}


@dataclass
class Row:
    key: int
    person: int
    priority: int
    state: str = "waiting"
    worker: int | None = None
    text: str = ""
    text_at_claim: str = ""
    suspect: bool = False
    deaths: int = 0
    wants_end: bool = False
    came: int = 0  # moments of the model's clock
    ended: int = 0
    started: bool = False

    @property
    def gained(self) -> bool:
        return len(self.text) > len(self.text_at_claim)


@dataclass
class QueueModel:
    n: int
    q: int
    share: int  # running per person, 0 = any number
    patience: int  # waiting per person, 0 = any number
    fair: bool
    workers: int
    rows: dict[int, Row] = field(default_factory=dict)
    drained: set[int] = field(default_factory=set)  # workers that take nothing
    now: int = 0

    def submit(self, key: int, person: int, priority: int) -> None:
        self.now += 1
        self.rows[key] = Row(key, person, priority, came=self.now)

    def end(self, row: Row, state: str) -> None:
        self.now += 1
        row.state, row.ended = state, self.now

    def of(self, *states: str) -> list[Row]:
        return [row for row in self.rows.values() if row.state in states]

    def held_by(self, worker: int) -> list[Row]:
        return [row for row in self.of("running") if row.worker == worker]

    def refusal(self, person: int) -> str | None:
        """The code with which a submit of this person is refused now."""
        places = self.n * (self.workers - len(self.drained))
        mine = [row for row in self.of(*ACTIVE) if row.person == person]
        if self.patience and len(mine) >= self._could_run(person, places) + self.patience:
            return "user_limit"
        full = len(self.of(*ACTIVE)) >= places + self.q
        return None if not full else "queue_full" if places else "not_ready"

    def _could_run(self, person: int, places: int) -> int:
        share = self.share or places
        held: dict[int, int] = {}
        for row in self.of(*ACTIVE):
            held[row.person] = held.get(row.person, 0) + 1
        others = sum(min(share, count) for who, count in held.items() if who != person)
        running = sum(row.person == person for row in self.of("running"))
        return max(running, min(share, places - others))

    def turn(self, row: Row) -> int:
        mine = [one for one in self.of(*ACTIVE) if one.person == row.person]
        mine.sort(key=lambda one: (one.state != "running", -one.priority, one.key))
        return mine.index(row) + 1

    def passed_over(self, row: Row) -> bool:
        a_suspect_runs = any(one.suspect for one in self.of("running"))
        return bool(self.share and self.turn(row) > self.share) or (row.suspect and a_suspect_runs)

    def since(self, row: Row) -> int:
        """As if somebody's requests had come when that person's last answer ended."""
        answers = [one for one in self.rows.values() if one.person == row.person and one.started]
        return max(row.came, *(one.ended for one in answers), 0)

    def order(self) -> list[Row]:
        def rank(row: Row) -> tuple[bool, int, int, int, int]:
            turn, since = (self.turn(row), self.since(row)) if self.fair else (0, 0)
            return self.passed_over(row), -row.priority, turn, since, row.key

        return sorted(self.of("waiting"), key=rank)

    def claim(self, worker: int) -> list[int]:
        held = self.held_by(worker)
        if worker in self.drained or any(row.suspect for row in held):
            return []
        chosen: list[Row] = []
        for row in self.order()[: max(0, self.n - len(held))]:
            if self.passed_over(row) or (row.suspect and (held or chosen)):
                break
            chosen.append(row)
            if row.suspect:
                break
        for row in chosen:
            row.state, row.worker, row.text_at_claim = "running", worker, row.text
            row.started = True
        return [row.key for row in chosen]

    def give_back(self, rows: list[Row]) -> None:
        for row in rows:
            row.worker = None
            row.state = "waiting"
            if row.wants_end:
                self.end(row, "aborted")
            elif row.deaths >= 2:
                self.end(row, "failed")

    def engine_dies(self, worker: int) -> None:
        together = self.held_by(worker)
        for row in together:
            row.suspect = True
            row.deaths += len(together) == 1 or not row.gained
        self.give_back(together)

    def worker_vanishes(self, worker: int) -> None:
        together = self.held_by(worker)
        for row in together:
            row.suspect = row.suspect or not row.gained
            row.deaths += len(together) == 1 and not row.gained
        self.give_back(together)
