import { setText } from "./format.js";

/** Asks once more before somebody else's answer is ended. */
export class Confirmation {
  #dialog;
  #words;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#words = dialog.querySelector("[data-confirm-words]");
  }

  /** Resolves to whether the person said yes. */
  ask(sentence) {
    setText(this.#words, sentence);
    this.#dialog.returnValue = "no";
    this.#dialog.showModal();
    return new Promise((resolve) => {
      const answer = () => resolve(this.#dialog.returnValue === "yes");
      this.#dialog.addEventListener("close", answer, { once: true });
    });
  }
}
