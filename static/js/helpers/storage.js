const PREFIX = "chatsite";
const LAST_PERSON = `${PREFIX}.last`;

/** One person's part of localStorage; memory where the browser has none. */
export class Store {
  #scope;
  #memory = new Map();

  constructor(name) {
    this.#scope = `${PREFIX}.${name}.`;
  }

  /** For the person of this page; what a guest typed goes along into their account. */
  static forPerson({ name, is_guest: isGuest }) {
    const store = new Store(name);
    const last = readJson(LAST_PERSON, null);
    if (last?.is_guest && !isGuest) {
      store.#takeFrom(new Store(last.name));
    }
    writeJson(LAST_PERSON, { name, is_guest: isGuest });
    return store;
  }

  read(key, otherwise) {
    return this.#memory.get(key) ?? readJson(this.#scope + key, otherwise);
  }

  write(key, value) {
    if (writeJson(this.#scope + key, value)) {
      this.#memory.delete(key);
    } else {
      this.#memory.set(key, value);
    }
  }

  remove(key) {
    this.#memory.delete(key);
    attempt(() => localStorage.removeItem(this.#scope + key));
  }

  keys() {
    const all = attempt(() => Object.keys(localStorage)) ?? [];
    const own = all.filter((key) => key.startsWith(this.#scope));
    return own.map((key) => key.slice(this.#scope.length));
  }

  clear() {
    this.keys().forEach((key) => this.remove(key));
  }

  #takeFrom(guest) {
    for (const key of guest.keys()) {
      this.write(key, guest.read(key, null));
      guest.remove(key);
    }
  }
}

function readJson(key, otherwise) {
  return attempt(() => JSON.parse(localStorage.getItem(key))) ?? otherwise;
}

function writeJson(key, value) {
  return attempt(() => {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  });
}

// Storage may be switched off or full; the page works on without it.
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}
