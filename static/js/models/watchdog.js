const QUIET_MS = 5_000;
const LOOK_EVERY_MS = 1_000;
const SYNCS_BEFORE_RELOAD = 4;

/**
 * Looks after answers that nothing is heard of: asks the server after 5 s, later and later while
 * it stays quiet, and in the end has the stored conversation read.
 */
export class Watchdog {
  #answers;
  #reload;

  constructor(answers, reload) {
    this.#answers = answers;
    this.#reload = reload;
  }

  start() {
    setInterval(() => this.look(Date.now()), LOOK_EVERY_MS);
  }

  look(now) {
    for (const answer of this.#answers.all()) {
      this.#answers.closeGap(answer);
      if (now - answer.quietSince >= QUIET_MS * (1 + answer.quietSyncs)) {
        this.#ask(answer, now);
      }
    }
  }

  #ask(answer, now) {
    answer.quietSince = now;
    if (answer.quietSyncs < SYNCS_BEFORE_RELOAD) {
      answer.quietSyncs += 1;
    } else {
      this.#reload(answer);
    }
    this.#answers.sync(answer);
  }
}
