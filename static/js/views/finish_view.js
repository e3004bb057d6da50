import { cloneTemplate, part } from "../helpers/dom.js";
import { failureWords, finishWords, reasonWords } from "../helpers/words.js";
import { FeedbackView } from "./feedback_view.js";

const COPIED_MS = 1_500;

/** Below an ended answer: how it ended, its figures, copy, rate and answer again. */
export class FinishView {
  element = cloneTemplate("finish-template");

  constructor(message, { regenerate, announce, feedback }) {
    const { element } = this;
    part(element, "truncated").hidden = !message.truncated;
    part(element, "detail").textContent = finishWords(message.usage, message.timings);
    this.#showReason(message);
    this.#offerCopy(message, announce);
    part(element, "retry").addEventListener("click", regenerate);
    part(element, "regenerate").addEventListener("click", regenerate);
    if (feedback.isOn && message.text && message.finish_reason !== "failed") {
      new FeedbackView(element, message, feedback, announce);
    }
  }

  #showReason({ finish_reason: reason, code, detail }) {
    const failed = reason === "failed";
    part(this.element, "failure").hidden = !failed;
    part(this.element, "failure-text").textContent = failureWords(code, detail);
    part(this.element, "regenerate").hidden = failed;
    const words = reasonWords(reason, code);
    part(this.element, "reason").textContent = words;
    part(this.element, "reason").hidden = !words;
  }

  #offerCopy({ text }, announce) {
    const button = part(this.element, "copy");
    // Browsers give no clipboard to plain http.
    button.hidden = !navigator.clipboard || !text;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      announce(gettext("Copied"));
      button.dataset.copied = "";
      setTimeout(() => delete button.dataset.copied, COPIED_MS);
    });
  }
}
