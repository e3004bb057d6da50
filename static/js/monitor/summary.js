import { count, duration, setText } from "./format.js";

/** The figures at the top, and whether the queue is paused. */
export class Summary {
  #root;
  #state;

  constructor(root, state) {
    this.#root = root;
    this.#state = state;
  }

  show() {
    const { running, places, waiting, oldest } = this.#state.totals;
    const rates = [...this.#state.workers.values()].map((one) => (one.live ? one.tokens_per_s ?? 0 : 0));
    const rate = rates.reduce((sum, one) => sum + one, 0);
    this.#set("running", count(running));
    this.#set("places", count(places));
    this.#set("waiting", count(waiting));
    this.#set("oldest", waiting ? duration(this.#state.now() - oldest) : "–");
    this.#set("rate", count(rate, rate < 10 ? 1 : 0));
    this.#showPaused(this.#state.policy.paused);
  }

  #showPaused(isPaused) {
    this.#root.querySelector("[data-paused]").hidden = !isPaused;
    const button = this.#root.querySelector("[data-pause]");
    if (button) {
      setText(button, isPaused ? gettext("Resume the queue") : gettext("Pause the queue"));
    }
  }

  #set(name, text) {
    setText(this.#root.querySelector(`[data-total=${name}]`), text);
  }
}
