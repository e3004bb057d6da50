import { cloneTemplate, part } from "../helpers/dom.js";

/** A message of the person; also one that is still on its way to the server. */
export class QuestionView {
  element = cloneTemplate("user-message-template");

  constructor(text) {
    part(this.element, "text").textContent = text;
  }

  /** `words` while it is not accepted, empty afterwards. */
  showSending(words) {
    const note = part(this.element, "sending");
    note.hidden = !words;
    note.textContent = words;
    this.element.toggleAttribute("data-unsent", Boolean(words));
  }
}
