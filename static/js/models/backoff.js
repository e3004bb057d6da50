/** How long to wait before the next attempt: doubles up to a limit, with jitter. */
export class Backoff {
  #shortest;
  #longest;
  #random;
  #tries = 0;

  constructor({ shortestMs = 500, longestMs = 15_000, random = Math.random } = {}) {
    this.#shortest = shortestMs;
    this.#longest = longestMs;
    this.#random = random;
  }

  /** `atLeastMs` slows down a client that was told it is too fast. */
  next(atLeastMs = 0) {
    const full = Math.min(this.#longest, this.#shortest * 2 ** this.#tries);
    this.#tries += 1;
    // Half fixed, half random: clients that are cut off together do not come back together.
    return Math.max(atLeastMs, full / 2) + (this.#random() * full) / 2;
  }

  reset() {
    this.#tries = 0;
  }
}
