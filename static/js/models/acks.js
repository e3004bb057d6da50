const ACK_INTERVAL_MS = 250;

/** Tells the server how far each text has come, at most every 250 ms for each request. */
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

  #flush(request) {
    this.#timers.delete(request);
    const offset = this.#offsets.get(request);
    if (offset !== undefined) {
      this.#offsets.delete(request);
      this.received(request, offset);
    }
  }
}
