import { getJson, HttpError } from "../helpers/http.js";
import { part } from "../helpers/dom.js";
import { quotaWords } from "../helpers/words.js";

// Where the clock of this device is ahead of the server's, the reset seems over already.
const SHORTEST_TIMER_MS = 60_000;
const LONGEST_TIMER_MS = 24 * 3600 * 1000;

/** What is left of today's tokens, below the message field. Hidden for people without a quota. */
export class QuotaController {
  #line;
  #url;
  #quota;
  #timer = null;

  /** `quota`: as the page knew it when it loaded; null without one. */
  constructor(stage, session, url, quota) {
    this.#line = part(stage, "quota");
    this.#url = url;
    this.#show(quota);
    session.addEventListener("ended", () => this.#refreshIfLimited());
    session.addEventListener("ready", () => this.#refreshIfLimited());
    session.addEventListener("rejected", ({ detail }) => {
      if (detail.frame.code === "quota") {
        this.#refresh();
      }
    });
  }

  // Internal

  #refreshIfLimited() {
    if (this.#quota) {
      this.#refresh();
    }
  }

  async #refresh() {
    try {
      this.#show((await getJson(this.#url)).quota);
    } catch (error) {
      if (!(error instanceof HttpError)) {
        throw error;
      }
      // The server decides at the next send; what is shown is only a little old.
    }
  }

  #show(quota) {
    this.#quota = quota;
    this.#line.hidden = !quota;
    const words = quota ? quotaWords(quota.left, quota.limit, new Date(quota.resets_at)) : "";
    // A screen reader says it again only if it changed.
    if (this.#line.textContent !== words) {
      this.#line.textContent = words;
    }
    this.#line.classList.toggle("used-up", quota?.left === 0);
    this.#refreshAtReset(quota);
  }

  #refreshAtReset(quota) {
    clearTimeout(this.#timer);
    if (quota) {
      const left = new Date(quota.resets_at) - Date.now();
      const wait = Math.min(LONGEST_TIMER_MS, Math.max(SHORTEST_TIMER_MS, left + 1_000));
      this.#timer = setTimeout(() => this.#refresh(), wait);
    }
  }
}
