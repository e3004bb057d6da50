import { part } from "../helpers/dom.js";
import { retryWords } from "../helpers/words.js";

const SECOND_MS = 1_000;

/** The sentence above the composer, with a countdown where trying again makes sense later. */
export class Notice {
  #root;
  #timer = null;

  constructor(root) {
    this.#root = root;
    part(root, "notice-close").addEventListener("click", () => this.hide());
  }

  show(words, retryAt = null) {
    clearInterval(this.#timer);
    part(this.#root, "notice-text").textContent = words;
    this.#root.hidden = false;
    this.#count(retryAt);
    if (retryAt !== null) {
      this.#timer = setInterval(() => this.#count(retryAt), SECOND_MS);
    }
  }

  hide() {
    clearInterval(this.#timer);
    this.#root.hidden = true;
  }

  #count(retryAt) {
    const line = part(this.#root, "notice-countdown");
    line.hidden = retryAt === null;
    const left = Math.max(0, Math.ceil((retryAt - Date.now()) / SECOND_MS));
    line.textContent = retryAt === null ? "" : retryWords(left);
    if (left === 0) {
      clearInterval(this.#timer);
    }
  }
}
