import { isComposing, part } from "../helpers/dom.js";
import { HttpError } from "../helpers/http.js";
import { keptWords } from "../helpers/words.js";

const GOOD = 1;
const BAD = -1;

/** Below an ended answer: good or bad, and a comment for whoever wants to write one. */
export class FeedbackView {
  #root;
  #message;
  #feedback;
  #opinion;
  #announce;
  #form;
  #field;
  #buttons;
  #asked = 0; // the rating that the form asks about

  constructor(root, message, feedback, announce) {
    this.#root = root;
    this.#message = message;
    this.#feedback = feedback;
    this.#opinion = feedback.of(message);
    this.#announce = announce;
    this.#form = part(root, "comment-form");
    this.#field = part(root, "comment");
    this.#buttons = new Map([
      [GOOD, part(root, "good")],
      [BAD, part(root, "bad")],
    ]);
    this.#explain();
    this.#listen();
    this.#show();
  }

  // Callbacks

  #listen() {
    for (const [rating, button] of this.#buttons) {
      button.addEventListener("click", () => this.#pressed(rating));
    }
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#field.addEventListener("input", () =>
      this.#feedback.keepDraft(this.#message, this.#field.value),
    );
    part(this.#root, "comment-edit").addEventListener("click", () => this.#open());
    part(this.#root, "comment-cancel").addEventListener("click", () => this.#cancel());
    this.#root.addEventListener("keydown", (event) => this.#keyPressed(event));
  }

  async #pressed(rating) {
    const isTakenBack = this.#opinion.rating === rating;
    const storing = this.#opinion.want(isTakenBack ? { rating: 0, comment: "" } : { rating });
    if (isTakenBack) {
      this.#cancel();
    } else {
      this.#open();
    }
    if (await this.#isStored(storing, gettext("Your rating could not be stored. Try again."))) {
      this.#announce(
        isTakenBack ? gettext("Your rating is taken back.") : gettext("Your rating is stored."),
      );
    } else if (!this.#feedback.draftOf(this.#message)) {
      this.#close();
    }
  }

  #keyPressed(event) {
    if (event.key === "Escape" && !isComposing(event) && !this.#form.hidden) {
      event.stopPropagation(); // elsewhere it stops the answer that is being written
      this.#close();
    }
  }

  async #save() {
    const wanted = { rating: this.#asked, comment: this.#field.value.trim() };
    const words = gettext("Your comment could not be stored. It is still here: try again.");
    if (await this.#isStored(this.#opinion.want(wanted), words)) {
      this.#cancel();
      this.#announce(gettext("Thank you. Your comment is stored."));
    }
  }

  // Internal

  /** Shows what is wanted now, and afterwards what became of it. */
  async #isStored(storing, words) {
    this.#warn("");
    this.#show();
    try {
      await storing;
      return true;
    } catch (error) {
      if (!(error instanceof HttpError)) {
        throw error;
      }
      this.#warn(error.detail || words);
      return false;
    } finally {
      this.#show();
    }
  }

  #show() {
    const { rating, comment } = this.#opinion;
    for (const [meaning, button] of this.#buttons) {
      button.setAttribute("aria-pressed", String(meaning === rating));
    }
    const edit = part(this.#root, "comment-edit");
    edit.hidden = rating === 0 || !this.#form.hidden;
    edit.textContent = comment ? gettext("Edit your comment") : gettext("Add a comment");
  }

  #open() {
    this.#asked = this.#opinion.rating;
    part(this.#form, "comment-question").textContent =
      this.#asked === GOOD ? gettext("What was good?") : gettext("What was bad?");
    if (this.#form.hidden) {
      this.#field.value = this.#feedback.draftOf(this.#message) || this.#opinion.comment;
      this.#form.hidden = false;
    }
    this.#show();
    if (matchMedia("(pointer: fine)").matches) {
      this.#field.focus();
    }
  }

  #cancel() {
    this.#feedback.keepDraft(this.#message, "");
    this.#field.value = "";
    this.#close();
  }

  /** The keyboard goes back to where the form came from. */
  #close() {
    const hasFocus = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    this.#show();
    if (hasFocus) {
      this.#buttons.get(this.#asked).focus();
    }
  }

  #warn(words) {
    const line = part(this.#root, "rating-error");
    line.hidden = !words;
    line.textContent = words;
  }

  #explain() {
    const words = keptWords(this.#feedback.keepsTexts);
    part(this.#form, "comment-kept").textContent = words;
    for (const button of this.#buttons.values()) {
      button.title = words;
    }
    part(this.#root, "rating").hidden = false;
  }
}
