const ACK_INTERVAL_MS = 250;

/**
 * Tells the server what has come: where the last delta of a request ends, at most every 250 ms for
 * each. Whether text before it is missing does not matter here: the server only wants to know how
 * much is still on its way.
 */
export class Acks {
  #send;
  #timers = new Map(); // request → timer
  #offsets = new Map(); // request → offset that was not sent yet

  constructor(send) {
    this.#send = send;
  }

  received(request, offset) {
    if (this.#timers.has(request)) {
      this.#offsets.set(request, offset);
      return;
    }
    this.#send(request, offset);
    this.#timers.set(
      request,
      setTimeout(() => this.#flush(request), ACK_INTERVAL_MS),
    );
  }

  /** What the last socket brought means nothing to the next. */
  clear() {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#timers.clear();
    this.#offsets.clear();
  }

  #flush(request) {
    this.#timers.delete(request);
    const offset = this.#offsets.get(request);
    if (offset !== undefined) {
      this.#offsets.delete(request);
      this.received(request, offset);
    }
  }
}
