import { getJson } from "../helpers/http.js";
import { Thread } from "./thread.js";

/** The conversations that were opened, by id, read from the server when they are not fresh. */
export class Threads {
  #baseUrl;
  #threads = new Map();
  #fresh = new Set();
  #loading = new Map(); // id → promise

  constructor(baseUrl) {
    this.#baseUrl = baseUrl;
  }

  get(id) {
    return this.#threads.get(id);
  }

  isFresh(id) {
    return this.#fresh.has(id);
  }

  /** A conversation that began on this page: nothing of it is anywhere else. */
  begin(id, title) {
    const thread = new Thread(id);
    thread.title = title;
    this.#threads.set(id, thread);
    this.#fresh.add(id);
    return thread;
  }

  /** After a gap in the connection, nothing that was read before is sure. */
  forgetFreshness() {
    this.#fresh.clear();
  }

  remove(id) {
    this.#threads.delete(id);
    this.#fresh.delete(id);
  }

  /** Reads a conversation; rejects with an HttpError. */
  load(id) {
    if (!this.#loading.has(id)) {
      const reading = this.#read(id).finally(() => this.#loading.delete(id));
      this.#loading.set(id, reading);
    }
    return this.#loading.get(id);
  }

  async #read(id) {
    this.#fresh.add(id); // before reading: a connection lost meanwhile takes it away again
    try {
      const stored = await getJson(`${this.#baseUrl}${id}/`);
      const thread = this.#threads.get(id) ?? new Thread(id);
      thread.load(stored);
      this.#threads.set(id, thread);
      return thread;
    } catch (error) {
      this.#fresh.delete(id);
      throw error;
    }
  }
}
