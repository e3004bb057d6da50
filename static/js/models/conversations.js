/** The list of conversations, newest first. Emits `change`. */
export class Conversations extends EventTarget {
  #items = [];
  #touched = new Set(); // since the last reading began
  #removed = new Set();

  all() {
    return [...this.#items];
  }

  get(id) {
    return this.#items.find((item) => item.id === id);
  }

  /** The server's list is being read; what happens until `load` is newer than it. */
  beginReading() {
    this.#touched.clear();
    this.#removed.clear();
  }

  load(items) {
    const newer = this.#items.filter(({ id }) => this.#touched.has(id));
    const stored = items.filter(({ id }) => !this.#touched.has(id) && !this.#removed.has(id));
    this.#items = [...newer, ...stored];
    this.#changed();
  }

  /** A conversation in which something was just said: to the top. */
  touch(id, title) {
    const known = this.get(id) ?? { id, title };
    this.#touched.add(id);
    this.#items = [known, ...this.#items.filter((item) => item !== known)];
    this.#changed();
  }

  remove(id) {
    this.#touched.delete(id);
    this.#removed.add(id);
    this.#items = this.#items.filter((item) => item.id !== id);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
