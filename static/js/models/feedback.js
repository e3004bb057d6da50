import { post } from "../helpers/http.js";
import { Opinion } from "./opinion.js";

const NONE = { rating: 0, comment: "" };

/** What the person thinks of answers, by message; comments that are not saved are drafts. */
export class Feedback {
  #baseUrl;
  #mode;
  #drafts;
  #opinions = new Map();

  /** `mode`: `texts` (kept with the conversation), `ratings` (without) or `off`. */
  constructor(baseUrl, mode, drafts) {
    this.#baseUrl = baseUrl;
    this.#mode = mode;
    this.#drafts = drafts;
  }

  get isOn() {
    return this.#mode !== "off";
  }

  get keepsTexts() {
    return this.#mode === "texts";
  }

  of({ id, feedback }) {
    if (!this.#opinions.has(id)) {
      const store = (opinion) => post(`${this.#baseUrl}${id}/feedback/`, opinion);
      this.#opinions.set(id, new Opinion(feedback ?? NONE, store));
    }
    return this.#opinions.get(id);
  }

  draftOf({ id }) {
    return this.#drafts.get(id);
  }

  keepDraft({ id }, comment) {
    this.#drafts.set(id, comment);
  }
}
