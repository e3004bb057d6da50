import { cloneTemplate, part } from "../helpers/dom.js";
import { etaWords, placeWords } from "../helpers/words.js";

const DOTS_AT_MOST = 12;

/** The ticket of an answer that waits: its place, and about how long. */
export class QueuePlaceView {
  element = cloneTemplate("queue-place-template");

  update({ position, waiting, eta }) {
    part(this.element, "place").textContent = placeWords(position, waiting);
    part(this.element, "eta").textContent = etaWords(eta);
    if (position !== null) {
      this.element.dataset.position = position;
      part(this.element, "dots").replaceChildren(...dots(position, waiting));
    }
  }
}

function dots(position, waiting) {
  const count = Math.min(DOTS_AT_MOST, Math.max(waiting, position));
  const own = Math.min(position, count) - 1;
  return Array.from({ length: count }, (_, index) => {
    const dot = document.createElement("i");
    dot.classList.toggle("you", index === own);
    return dot;
  });
}
