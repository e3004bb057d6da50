import { part } from "../helpers/dom.js";

/** On narrow screens the sidebar is a drawer over the conversation. */
export class DrawerController {
  #sidebar;
  #stage;
  #opener;
  #backdrop = document.querySelector("[data-backdrop]");
  #isNarrow = matchMedia("(max-width: 52rem)");

  constructor(sidebar, stage) {
    this.#sidebar = sidebar;
    this.#stage = stage;
    this.#opener = part(stage, "drawer-open");
    this.#opener.addEventListener("click", () => this.open());
    part(sidebar, "drawer-close").addEventListener("click", () => this.close());
    this.#backdrop.addEventListener("click", () => this.close());
    this.#isNarrow.addEventListener("change", () => this.#set(false));
    this.#set(false);
  }

  get isOpen() {
    return this.#isNarrow.matches && !this.#sidebar.inert;
  }

  open() {
    this.#set(true);
    part(this.#sidebar, "drawer-close").focus();
  }

  close() {
    if (this.isOpen) {
      this.#set(false);
      this.#opener.focus();
    }
  }

  #set(isOpen) {
    this.#sidebar.toggleAttribute("data-open", isOpen);
    this.#sidebar.inert = this.#isNarrow.matches && !isOpen;
    this.#stage.inert = isOpen;
    this.#backdrop.hidden = !isOpen;
    this.#opener.setAttribute("aria-expanded", String(isOpen));
  }
}
