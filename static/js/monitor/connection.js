import { setText } from "./format.js";

/** Says whether what the page shows is live. */
export class Connection {
  #line;

  constructor(root) {
    this.#line = root.querySelector("[data-connection]");
  }

  live() {
    this.#say("live", gettext("Live"));
  }

  lost() {
    this.#say("lost", gettext("The connection is lost; what you see is old. Connecting again…"));
  }

  trouble() {
    this.#say("lost", gettext("The database does not answer; what you see is old."));
  }

  signedOut() {
    this.#say("lost", gettext("You are signed out. Sign in again."));
  }

  forbidden() {
    this.#say("lost", gettext("You may not watch the queue any more."));
  }

  #say(state, sentence) {
    this.#line.dataset.state = state;
    setText(this.#line, sentence);
  }
}
