import { part } from "../helpers/dom.js";

const SHOW_AFTER_MS = 800;

/** The slim bar that tells of a lost connection, and the way out when the login is over. */
export class ConnectionController {
  #bar;
  #timer = null;

  constructor(stage, socket, urls) {
    this.#bar = part(stage, "connection-bar");
    part(stage, "reconnect").addEventListener("click", () => socket.retryNow());
    socket.addEventListener("hello", () => this.#hide());
    socket.addEventListener("lost", () => this.#showSoon());
    socket.addEventListener("signed-out", () => signIn(urls));
    socket.addEventListener("forbidden", () => {
      part(this.#bar, "reconnect").hidden = true;
      this.#show(gettext("This account may not chat here any more. Ask the people who run the site."));
    });
  }

  #showSoon() {
    // Most connections are back before anybody needs to know.
    this.#timer ??= setTimeout(
      () => this.#show(gettext("The connection is lost. Reconnecting…")),
      SHOW_AFTER_MS,
    );
  }

  #show(words) {
    part(this.#bar, "connection-text").textContent = words;
    this.#bar.hidden = false;
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#bar.hidden = true;
  }
}

/** To the log-in page and back here afterwards. Drafts and unsent messages are kept. */
export function signIn(urls) {
  location.assign(`${urls.login}?next=${encodeURIComponent(location.pathname)}`);
}
