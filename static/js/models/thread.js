/**
 * The messages of one conversation: a tree, of which one path is shown. Where a message has
 * several replies (an answer made again, a question asked differently) the newest is on the path.
 */
export class Thread {
  title = "";
  #messages = new Map(); // id → message, in the order in which they were made

  constructor(conversation) {
    this.conversation = conversation;
  }

  has(id) {
    return this.#messages.has(id);
  }

  add(message) {
    this.#messages.set(message.id, { ...this.#messages.get(message.id), ...message });
  }

  /** What the server has stored; what came over the socket while it was read is newer. */
  load({ title, messages }) {
    this.title = title;
    const before = this.#messages;
    this.#messages = new Map(messages.map((message) => [message.id, message]));
    for (const [id, message] of before) {
      const stored = this.#messages.get(id);
      if (!stored || (stored.state === "generating" && message.state === "complete")) {
        this.#messages.set(id, message);
      }
    }
  }

  /** From the first question to the newest answer. */
  path() {
    const newestReply = new Map();
    for (const message of this.#messages.values()) {
      newestReply.set(message.parent ?? null, message);
    }
    const path = [];
    let next = newestReply.get(null);
    while (next && path.length < this.#messages.size) {
      path.push(next);
      next = newestReply.get(next.id);
    }
    return path;
  }
}
