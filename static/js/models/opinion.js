/**
 * What the person thinks of one answer: as they want it, which is shown at once, and as the server
 * has it. Knows no DOM.
 */
export class Opinion {
  #wanted;
  #stored;
  #store;
  #storing = null;

  /** `store(opinion)` gives a promise, which rejects if the server did not take it. */
  constructor({ rating, comment }, store) {
    this.#wanted = this.#stored = { rating, comment };
    this.#store = store;
  }

  /** 1 or -1; 0 without one. */
  get rating() {
    return this.#wanted.rating;
  }

  get comment() {
    return this.#wanted.comment;
  }

  /** Resolves when all that is wanted is stored. If that fails, what is stored is back. */
  want(change) {
    this.#wanted = { ...this.#wanted, ...change };
    this.#storing ??= this.#storeAll();
    return this.#storing;
  }

  /** One request at a time, so that none overtakes a later one. */
  async #storeAll() {
    try {
      while (this.#stored !== this.#wanted) {
        const wanted = this.#wanted;
        await this.#store(wanted);
        this.#stored = wanted;
      }
    } catch (error) {
      this.#wanted = this.#stored;
      throw error;
    } finally {
      this.#storing = null;
    }
  }
}
