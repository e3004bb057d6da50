import { cloneTemplate, part } from "../helpers/dom.js";
import { FinishView } from "./finish_view.js";
import { QueuePlaceView } from "./queue_place_view.js";
import { TextView } from "./text_view.js";

/** An answer: its place while it waits, its text while it grows, how it ended. */
export class AnswerView {
  element = cloneTemplate("assistant-message-template");
  #text = new TextView(part(this.element, "text"));
  #status = part(this.element, "status");
  #end = part(this.element, "end");
  #place = null;

  constructor(request) {
    this.element.dataset.request = request ?? "";
  }

  /** False once its end is shown. */
  get isOpen() {
    return this.element.getAttribute("aria-busy") === "true";
  }

  /** An answer on its way, from the beginning. */
  follow(answer) {
    this.#end.replaceChildren();
    this.#text.set(answer.stream.text);
    this.showState(answer);
  }

  showState(answer) {
    this.#setState(answer.state);
    if (answer.isStopping) {
      this.#note(gettext("Stopping…"));
    } else if (answer.state === "waiting") {
      this.#showPlace(answer);
    } else if (answer.stream.length === 0) {
      this.#note(gettext("Reading your prompt…"));
    } else {
      this.#clearStatus();
    }
  }

  showText(answer, { appended, cut }) {
    if (cut) {
      this.#text.set(answer.stream.text);
    } else {
      this.#text.append(appended);
    }
    this.showState(answer);
  }

  /** An answer that is over; `actions` as in FinishView. */
  showFinished(message, actions) {
    this.#clearStatus();
    this.#text.set(message.text);
    this.#text.finish();
    const ended = { aborted: "aborted", failed: "failed" }[message.finish_reason];
    this.#setState(ended ?? "complete");
    this.#end.replaceChildren(new FinishView(message, actions).element);
  }

  #setState(state) {
    this.element.dataset.state = state;
    this.element.setAttribute("aria-busy", String(state === "waiting" || state === "running"));
  }

  #showPlace(answer) {
    if (!this.#place) {
      this.#place = new QueuePlaceView();
      this.#status.replaceChildren(this.#place.element);
    }
    this.#place.update(answer);
  }

  #note(words) {
    this.#place = null;
    const shown = part(this.#status, "words");
    if (shown?.textContent !== words) {
      const note = cloneTemplate("stage-note-template");
      part(note, "words").textContent = words;
      this.#status.replaceChildren(note);
    }
  }

  #clearStatus() {
    this.#place = null;
    this.#status.replaceChildren();
  }
}
