import { isComposing, part } from "../helpers/dom.js";
import { byteLength } from "../helpers/text.js";
import { Notice } from "../views/notice.js";

const FRAME_BYTES_AT_MOST = 65_000;
const HEIGHT_AT_MOST_PX = 240;

/** The message field: drafts, sending, stopping, and what the server refused. */
export class ComposerController {
  #session;
  #models;
  #limits;
  #onSend;
  #field;
  #sendButton;
  #stopButton;
  #notice;
  #notices = new Map(); // conversation → {words, retryAt}
  #shown = null;

  constructor(stage, session, models, limits, onSend) {
    this.#session = session;
    this.#models = models;
    this.#limits = limits;
    this.#onSend = onSend;
    this.#field = part(stage, "composer");
    this.#sendButton = part(stage, "send");
    this.#stopButton = part(stage, "stop");
    this.#notice = new Notice(part(stage, "notice"));
    this.#listen(stage);
  }

  // Actions

  /** What was typed before the script ran belongs to the first conversation that is shown. */
  keepTyped(conversation) {
    if (this.#field.value) {
      this.#models.drafts.giveBack(conversation, this.#field.value);
    }
  }

  show(conversation) {
    this.#shown = conversation;
    this.#takeDraft();
    this.#showNotice();
    this.refresh();
  }

  focus() {
    if (matchMedia("(pointer: fine)").matches) {
      this.#field.focus();
    }
  }

  /** Which button, and whether it can be pressed. */
  refresh() {
    const answer = this.#models.answers.inConversation(this.#shown);
    this.#moveFocus(Boolean(answer));
    this.#stopButton.hidden = !answer;
    this.#sendButton.hidden = Boolean(answer);
    this.#stopButton.disabled = answer?.isStopping ?? false;
    this.#sendButton.disabled = this.#isSending() || !this.#field.value.trim();
  }

  stop() {
    const answer = this.#models.answers.inConversation(this.#shown);
    if (answer && !answer.isStopping) {
      this.#session.stop(answer);
    }
  }

  warn(words, conversation = this.#shown, retryAt = null) {
    this.#notices.set(conversation, { words, retryAt });
    if (conversation === this.#shown) {
      this.#showNotice();
    }
  }

  // Callbacks

  #listen(stage) {
    part(stage, "composer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#field.addEventListener("keydown", (event) => this.#keyPressed(event));
    this.#field.addEventListener("input", () => this.#typed());
    this.#stopButton.addEventListener("click", () => this.stop());
    this.#session.addEventListener("rejected", ({ detail }) => this.#rejected(detail));
    this.#session.addEventListener("trouble", ({ detail }) => this.#trouble(detail));
    this.#models.outbox.addEventListener("change", () => this.refresh());
    for (const type of ["state", "ended", "thread"]) {
      this.#session.addEventListener(type, () => this.refresh());
    }
  }

  #keyPressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) {
      event.preventDefault();
      this.#send();
    }
  }

  #typed() {
    this.#models.drafts.set(this.#shown, this.#field.value);
    this.#grow();
    this.refresh();
  }

  #rejected({ frame, item }) {
    if (item.frame.text) {
      this.#models.drafts.giveBack(item.conversation, item.frame.text);
    }
    if (item.conversation === this.#shown) {
      this.#takeDraft();
      this.refresh();
    }
    const seconds = frame.retry_after;
    const retryAt = typeof seconds === "number" ? Date.now() + seconds * 1000 : null;
    this.warn(frame.detail, item.conversation, retryAt);
  }

  #trouble({ code, detail }) {
    // About requests that are gone and syncs that came too fast there is nothing to do.
    if (code !== "not_found" && code !== "rate_limited") {
      this.warn(detail);
    }
  }

  // Internal

  #send() {
    const text = this.#field.value;
    if (!text.trim() || this.#isSending()) {
      return;
    }
    if (this.#models.answers.inConversation(this.#shown)) {
      this.warn(gettext("Wait for the answer, or stop it. Your message stays here."));
    } else if (this.#isTooLong(text)) {
      this.warn(gettext("This message is too long. Shorten it and send it again."));
    } else {
      this.#notices.delete(this.#shown);
      this.#notice.hide();
      this.#session.send(text, this.#shown);
      this.#models.drafts.set(this.#shown, "");
      this.#takeDraft();
      this.refresh();
      this.#onSend();
    }
  }

  #isSending() {
    return this.#models.outbox.inConversation(this.#shown).length > 0;
  }

  #isTooLong(text) {
    // Characters that JSON escapes take more room in the frame than in the text.
    return (
      byteLength(text) > this.#limits.message_bytes ||
      byteLength(JSON.stringify(text)) > FRAME_BYTES_AT_MOST
    );
  }

  #takeDraft() {
    this.#field.value = this.#models.drafts.get(this.#shown);
    this.#grow();
  }

  #showNotice() {
    const notice = this.#notices.get(this.#shown);
    if (notice) {
      this.#notice.show(notice.words, notice.retryAt);
    } else {
      this.#notice.hide();
    }
  }

  /** A focused button that disappears must not take the keyboard with it. */
  #moveFocus(isAnswering) {
    const leaving = isAnswering ? this.#sendButton : this.#stopButton;
    if (document.activeElement === leaving) {
      this.#field.focus();
    }
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(HEIGHT_AT_MOST_PX, this.#field.scrollHeight)}px`;
  }
}
