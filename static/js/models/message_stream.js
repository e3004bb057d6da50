import { countCodePoints, indexOfCodePoint } from "../helpers/text.js";

const HELD_DELTAS_AT_MOST = 500;

/**
 * The text of one answer, put together from deltas that may come twice, late or not at all.
 * Offsets and lengths are code points. Knows no socket and no DOM.
 */
export class MessageStream {
  #text = "";
  #length = 0;
  #attempt = 0;
  #held = new Map(); // offset → delta beyond a gap

  get text() {
    return this.#text;
  }

  get length() {
    return this.#length;
  }

  get attempt() {
    return this.#attempt;
  }

  get hasGap() {
    return this.#held.size > 0;
  }

  /** Takes a delta. Returns what changed: the text that was `appended`, and if it was `cut`. */
  apply({ attempt, offset, text }) {
    const change = { appended: "", cut: false };
    if (attempt < this.#attempt) {
      return change; // from a worker that has lost the request
    }
    if (attempt > this.#attempt) {
      change.cut = this.#beginAttempt(attempt, offset);
    }
    change.appended = this.#take(offset, text) + this.#takeHeld();
    return change;
  }

  /** Starts over with a text that is known to be right. */
  replace(text) {
    this.#text = text;
    this.#length = countCodePoints(text);
    this.#held.clear();
  }

  #beginAttempt(attempt, offset) {
    this.#attempt = attempt;
    this.#held.clear();
    if (this.#length === 0 || offset === this.#length) {
      return false;
    }
    // Past a gap nobody can say where the new attempt went on: all of it is asked for again.
    this.#text = this.#text.slice(
      0,
      offset < this.#length ? indexOfCodePoint(this.#text, offset) : 0,
    );
    this.#length = countCodePoints(this.#text);
    return true;
  }

  #take(offset, text) {
    if (offset > this.#length) {
      if (this.#held.size < HELD_DELTAS_AT_MOST) {
        this.#held.set(offset, text);
      }
      return "";
    }
    const fresh = text.slice(indexOfCodePoint(text, this.#length - offset));
    this.#text += fresh;
    this.#length += countCodePoints(fresh);
    return fresh;
  }

  #takeHeld() {
    let appended = "";
    for (const offset of [...this.#held.keys()].sort((a, b) => a - b)) {
      if (offset > this.#length) {
        break;
      }
      const text = this.#held.get(offset);
      this.#held.delete(offset);
      appended += this.#take(offset, text);
    }
    return appended;
  }
}
