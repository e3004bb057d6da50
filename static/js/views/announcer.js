/** Says things to screen readers, one at a time and only when they changed. */
export class Announcer {
  #region;

  constructor(region) {
    this.#region = region;
  }

  say(words) {
    if (this.#region.textContent !== words) {
      this.#region.textContent = words;
    }
  }
}
