const BYTES = 16;

/** A random id. `crypto.randomUUID` is missing on plain http in a local network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
