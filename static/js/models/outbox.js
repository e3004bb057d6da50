const PREFIX = "outbox.";

/**
 * What was sent and not yet answered, in order, kept over reloads. All of it goes out again after
 * a reconnect under the same `client_id`, so it happens once. Emits `change`.
 */
export class Outbox extends EventTarget {
  #store;
  #items;

  constructor(store) {
    super();
    this.#store = store;
    const kept = store.keys().filter((key) => key.startsWith(PREFIX));
    this.#items = kept.map((key) => store.read(key, null)).filter((item) => item?.frame);
    this.#items.sort((one, other) => one.at - other.at);
  }

  all() {
    return [...this.#items];
  }

  /** Items shown in a conversation; null: in a chat that has no conversation yet. */
  inConversation(conversation) {
    return this.#items.filter((item) => item.conversation === conversation);
  }

  add(frame, conversation) {
    const item = { frame, conversation, at: Date.now() };
    this.#items.push(item);
    // One entry for each: tabs do not overwrite each other's.
    this.#store.write(PREFIX + frame.client_id, item);
    this.dispatchEvent(new Event("change"));
  }

  /** Takes out what the server has answered; undefined when it was another tab's. */
  remove(clientId) {
    const item = this.#items.find(({ frame }) => frame.client_id === clientId);
    if (item) {
      this.#items = this.#items.filter((other) => other !== item);
      this.#store.remove(PREFIX + clientId);
      this.dispatchEvent(new Event("change"));
    }
    return item;
  }
}
