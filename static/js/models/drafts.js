const NEW_CHAT = "new";

/** What is typed and not sent, for each conversation, kept over reloads. */
export class Drafts {
  #store;

  constructor(store) {
    this.#store = store;
  }

  get(conversation) {
    return this.#store.read(keyOf(conversation), "");
  }

  set(conversation, text) {
    if (text) {
      this.#store.write(keyOf(conversation), text);
    } else {
      this.#store.remove(keyOf(conversation));
    }
  }

  /** Puts a text that was not accepted back, before what has been typed since. */
  giveBack(conversation, text) {
    const since = this.get(conversation);
    this.set(conversation, !since || since === text ? text : `${text}\n\n${since}`);
  }
}

function keyOf(conversation) {
  return `draft.${conversation ?? NEW_CHAT}`;
}
