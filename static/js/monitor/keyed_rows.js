/**
 * Rows of a table that stay the same elements while what they show changes, so that focus, a
 * press that has begun and a screen reader's place survive. `update` fills a row.
 */
export class KeyedRows {
  #body;
  #template;
  #key;
  #update;
  #rows = new Map();

  constructor(body, template, key, update) {
    this.#body = body;
    this.#template = template;
    this.#key = key;
    this.#update = update;
  }

  show(items) {
    const wanted = new Set(items.map(this.#key));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) {
        this.#leave(key, row);
      }
    }
    items.forEach((item, index) => {
      const row = this.#row(this.#key(item));
      if (this.#body.children[index] !== row) {
        this.#move(row, index);
      }
      this.#update(row, item);
    });
  }

  #row(key) {
    let row = this.#rows.get(key);
    if (!row) {
      row = this.#template.content.firstElementChild.cloneNode(true);
      this.#rows.set(key, row);
    }
    return row;
  }

  /** Moving an element takes the focus from it. */
  #move(row, index) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    this.#body.insertBefore(row, this.#body.children[index] ?? null);
    focused?.focus();
  }

  #leave(key, row) {
    const held = row.contains(document.activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#rows.delete(key);
    if (held) {
      next?.querySelector("button:not([disabled])")?.focus();
    }
  }
}
