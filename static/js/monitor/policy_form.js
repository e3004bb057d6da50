import { setText } from "./format.js";

/**
 * A form of fields of the policy. Shows what others change meanwhile, except in a field that this
 * person has touched; sends only those.
 */
export class PolicyForm {
  #form;
  #path;
  #actions;
  #touched = new Set();

  constructor(form, path, actions) {
    this.#form = form;
    this.#path = path;
    this.#actions = actions;
    form.addEventListener("input", (event) => this.#touch(event.target));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
  }

  show(policy) {
    for (const field of this.#fields()) {
      if (!this.#touched.has(field.name) && field.name in policy) {
        field.value = String(policy[field.name]);
      }
    }
  }

  #touch(field) {
    this.#touched.add(field.name);
    this.#form.querySelector("[type=submit]").disabled = false;
    this.#say("");
  }

  async #save() {
    const fields = this.#fields().filter((field) => this.#touched.has(field.name));
    const values = Object.fromEntries(fields.map((field) => [field.name, field.value]));
    const answer = await this.#actions.post(this.#path, values);
    this.#say(answer.detail);
    this.#showErrors(answer.errors ?? {});
    if (answer.ok) {
      // Typed on while it was on its way: that is still to be saved.
      fields.filter((field) => field.value === values[field.name]).forEach((field) => this.#touched.delete(field.name));
      this.#form.querySelector("[type=submit]").disabled = this.#touched.size === 0;
    }
  }

  #showErrors(errors) {
    for (const field of this.#fields()) {
      const sentences = errors[field.name] ?? [];
      const place = field.closest("[data-field]").querySelector("[data-error]");
      setText(place, sentences.join(" "));
      place.hidden = sentences.length === 0;
      field.setAttribute("aria-invalid", String(sentences.length > 0));
    }
    this.#form.querySelector("[aria-invalid=true]")?.focus();
  }

  #fields() {
    return [...this.#form.querySelectorAll("input[name], select[name], textarea[name]")];
  }

  #say(sentence) {
    setText(this.#form.querySelector("[data-form-said]"), sentence);
  }
}
