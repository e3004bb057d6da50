/** The views of the shown messages by key, in order; a view stays in place while it is wanted. */
export class MessageList {
  #root;
  #views = new Map();

  constructor(root) {
    this.#root = root;
  }

  get(key) {
    return this.#views.get(key);
  }

  /** A view goes on under another key: a question that was accepted has an id now. */
  rename(from, to) {
    const view = this.#views.get(from);
    if (view && !this.#views.has(to)) {
      this.#views.delete(from);
      this.#views.set(to, view);
    }
  }

  /** Shows exactly these `[key, make]`, making the views that are missing. */
  show(wanted) {
    const kept = new Map(wanted.map(([key, make]) => [key, this.#views.get(key) ?? make()]));
    let index = 0;
    for (const { element } of kept.values()) {
      const there = this.#root.children[index] ?? null;
      if (there !== element) {
        this.#root.insertBefore(element, there);
      }
      index += 1;
    }
    while (this.#root.children.length > kept.size) {
      this.#root.lastElementChild.remove();
    }
    this.#views = kept;
  }
}
