import { isComposing, part } from "../helpers/dom.js";
import { getJson, HttpError } from "../helpers/http.js";
import { Announcer } from "../views/announcer.js";
import { ComposerController } from "./composer.js";
import { ConnectionController, signIn } from "./connection.js";
import { ConversationController } from "./conversation.js";
import { DrawerController } from "./drawer.js";
import { QuotaController } from "./quota.js";
import { SidebarController } from "./sidebar.js";

const SIGNED_OUT = 401;
const NOT_FOUND = 404;

/** Which conversation the page shows: its address, its title, and the parts that draw it. */
export class PageController {
  #page;
  #session;
  #models;
  #composer;
  #conversation;
  #sidebar;
  #drawer;
  #shown = null;

  constructor(page, socket, session, models) {
    this.#page = page;
    this.#session = session;
    this.#models = models;
    const stage = document.querySelector("[data-stage]");
    const sidebar = document.querySelector("[data-sidebar]");
    const announcer = new Announcer(document.querySelector("[data-announcer]"));
    this.#conversation = new ConversationController(stage, session, models, announcer);
    this.#composer = new ComposerController(stage, session, models, page.limits, () =>
      this.#conversation.followEnd(),
    );
    this.#sidebar = new SidebarController(sidebar, session, models, page.urls, {
      open: (id) => this.#open(id),
      deleted: (id) => this.#deleted(id),
      failed: (words) => this.#composer.warn(words),
    });
    this.#drawer = new DrawerController(sidebar, stage);
    new ConnectionController(stage, socket, page.urls);
    new QuotaController(stage, session, page.urls.quota, page.quota);
    this.#listen(socket);
  }

  start() {
    this.#composer.keepTyped(this.#page.conversation);
    this.#show(this.#page.conversation);
  }

  // Callbacks

  #listen(socket) {
    const session = this.#session;
    session.addEventListener("ready", () => this.#connected());
    session.addEventListener("accepted", ({ detail }) => this.#accepted(detail));
    session.addEventListener("thread", () => this.#showTitle());
    socket.addEventListener("lost", () => this.#conversation.render());
    addEventListener("popstate", () => this.#show(this.#conversationInAddress()));
    document.addEventListener("keydown", (event) => this.#keyPressed(event));
  }

  #connected() {
    this.#readList();
    if (this.#shown !== null && !this.#models.threads.isFresh(this.#shown)) {
      this.#read(this.#shown);
    }
    this.#conversation.render();
  }

  /** A new chat that is accepted gets its address. */
  #accepted({ frame, item }) {
    if (item && item.conversation === null && this.#shown === null) {
      history.replaceState(null, "", this.#addressOf(frame.conversation));
      this.#become(frame.conversation);
    }
  }

  #keyPressed(event) {
    if (event.key !== "Escape" || isComposing(event) || document.querySelector("dialog[open]")) {
      return;
    }
    if (this.#drawer.isOpen) {
      this.#drawer.close();
    } else {
      this.#composer.stop();
    }
  }

  #open(id) {
    if (id !== this.#shown) {
      history.pushState(null, "", this.#addressOf(id));
      this.#show(id);
    }
    this.#drawer.close();
    this.#composer.focus();
  }

  #deleted(id) {
    const { answers, conversations, threads } = this.#models;
    const answer = answers.inConversation(id);
    if (answer) {
      answers.settle(answer.request);
    }
    threads.remove(id);
    conversations.remove(id);
    if (id === this.#shown) {
      history.replaceState(null, "", this.#addressOf(null));
      this.#show(null);
    }
  }

  // Internal

  #show(id) {
    this.#shown = id;
    this.#conversation.show(id);
    this.#composer.show(id);
    this.#sidebar.show(id);
    this.#showTitle();
    this.#composer.focus();
    if (id !== null && !this.#models.threads.isFresh(id)) {
      this.#read(id);
    }
  }

  /** The shown chat is the same as before, it only has an id now. */
  #become(id) {
    const typed = this.#models.drafts.get(null);
    this.#models.drafts.set(null, "");
    this.#models.drafts.set(id, typed);
    this.#shown = id;
    this.#conversation.become(id);
    this.#composer.show(id);
    this.#sidebar.show(id);
    this.#showTitle();
  }

  async #read(id) {
    try {
      await this.#session.read(id);
    } catch (error) {
      this.#readingFailed(error, id);
    }
  }

  #readingFailed(error, id) {
    if (!(error instanceof HttpError)) {
      throw error;
    }
    if (error.status === SIGNED_OUT) {
      signIn(this.#page.urls);
    } else if (id === this.#shown && error.status === NOT_FOUND) {
      this.#deleted(id);
      this.#composer.warn(gettext("This conversation is not there any more."));
    } else if (id === this.#shown) {
      this.#composer.warn(gettext("The conversation could not be read. Reload the page."));
    }
  }

  async #readList() {
    this.#models.conversations.beginReading();
    try {
      const { conversations } = await getJson(this.#page.urls.conversations);
      this.#models.conversations.load(conversations);
    } catch (error) {
      this.#readingFailed(error, null);
    }
  }

  #showTitle() {
    const { conversations, threads } = this.#models;
    const title = threads.get(this.#shown)?.title || conversations.get(this.#shown)?.title;
    const heading = part(document, "stage-title");
    heading.textContent = this.#shown === null || !title ? gettext("New chat") : title;
    document.title = this.#shown === null || !title ? "chatsite" : `${title} · chatsite`;
  }

  #addressOf(id) {
    return id === null ? this.#page.urls.chat : `${this.#page.urls.conversation_base}${id}/`;
  }

  #conversationInAddress() {
    const { conversation_base: base } = this.#page.urls;
    const path = location.pathname;
    return path.startsWith(base) ? path.slice(base.length).replace(/\/$/u, "") : null;
  }
}
