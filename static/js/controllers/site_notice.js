import { part } from "../helpers/dom.js";

const DISMISSED = "dismissed-notice";

/** What the people who run the site tell everybody; once dismissed, only a change brings it back. */
export class SiteNoticeController {
  #banner;
  #store;
  #text = "";

  constructor(root, socket, store) {
    this.#banner = part(root, "site-notice-banner");
    this.#store = store;
    part(root, "site-notice-close").addEventListener("click", () => this.#dismiss());
    socket.addEventListener("hello", ({ detail }) => this.show(detail.notice ?? ""));
    socket.addEventListener("notice", ({ detail }) => this.show(detail.text));
  }

  show(text) {
    this.#text = text;
    const isDismissed = this.#store.read(DISMISSED, null) === text;
    if (!isDismissed) {
      this.#store.remove(DISMISSED);
    }
    part(this.#banner, "site-notice-text").textContent = text;
    this.#banner.hidden = !text || isDismissed;
  }

  #dismiss() {
    this.#store.write(DISMISSED, this.#text);
    this.show(this.#text);
    document.getElementById("main").focus();
  }
}
