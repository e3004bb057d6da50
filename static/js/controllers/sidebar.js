import { cloneTemplate, part } from "../helpers/dom.js";
import { post } from "../helpers/http.js";

/** The list of conversations: which are being answered, which is shown, and deleting one. */
export class SidebarController {
  #sidebar;
  #models;
  #urls;
  #actions;
  #items = new Map(); // id → element
  #shown = null;

  /** `actions`: `open(id)`, `deleted(id)`, `failed(words)`. */
  constructor(sidebar, session, models, urls, actions) {
    this.#sidebar = sidebar;
    this.#models = models;
    this.#urls = urls;
    this.#actions = actions;
    models.conversations.addEventListener("change", () => this.#render());
    for (const type of ["state", "ended", "thread"]) {
      session.addEventListener(type, () => this.#showStates());
    }
    for (const link of document.querySelectorAll("[data-new-chat]")) {
      link.addEventListener("click", (event) => this.#open(event, null));
    }
  }

  show(conversation) {
    this.#shown = conversation;
    this.#showStates();
  }

  #render() {
    const all = this.#models.conversations.all();
    this.#items = new Map(all.map((one) => [one.id, this.#items.get(one.id) ?? this.#make(one)]));
    const list = part(this.#sidebar, "conversations");
    const focused = document.activeElement;
    list.replaceChildren(...this.#items.values());
    if (list.contains(focused)) {
      focused.focus();
    }
    part(this.#sidebar, "no-conversations").hidden = all.length > 0;
    this.#showStates();
  }

  #showStates() {
    for (const [id, item] of this.#items) {
      const isActive = Boolean(this.#models.answers.inConversation(id));
      item.dataset.active = String(isActive);
      part(item, "dot").hidden = !isActive;
      part(item, "dot").dataset.state = this.#models.answers.inConversation(id)?.state ?? "";
      const link = part(item, "link");
      if (id === this.#shown) {
        link.setAttribute("aria-current", "page");
      } else {
        link.removeAttribute("aria-current");
      }
    }
  }

  #make({ id, title }) {
    const item = cloneTemplate("conversation-item-template");
    item.dataset.conversation = id;
    part(item, "title").textContent = title;
    part(item, "link").title = title;
    part(item, "link").href = `${this.#urls.conversation_base}${id}/`;
    part(item, "link").addEventListener("click", (event) => this.#open(event, id));
    part(item, "delete-name").textContent = interpolate(gettext("Delete “%s”"), [title]);
    part(item, "delete").addEventListener("click", () => this.#askAndDelete(id, title));
    return item;
  }

  #open(event, id) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) {
      return; // a new tab or window, as everywhere
    }
    event.preventDefault();
    this.#actions.open(id);
  }

  #askAndDelete(id, title) {
    const dialog = document.querySelector("[data-delete-dialog]");
    part(dialog, "delete-title").textContent = title;
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => dialog.returnValue === "delete" && this.#delete(id),
      { once: true },
    );
    dialog.showModal();
  }

  async #delete(id) {
    try {
      await post(`${this.#urls.conversation_api}${id}/delete/`);
      this.#actions.deleted(id);
    } catch {
      this.#actions.failed(gettext("The conversation could not be deleted. Try again."));
    }
  }
}
