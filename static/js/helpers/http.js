const TIMEOUT_MS = 15_000;

const NO_ANSWER = 0;

/**
 * A request that failed; `status` is 0 when no answer came at all. `detail` is the server's sentence
 * about it, in the language of the page, or empty.
 */
export class HttpError extends Error {
  constructor(status, detail = "") {
    super(`HTTP ${status}`);
    this.status = status;
    this.detail = detail;
  }
}

export async function getJson(url) {
  const response = await request(url, { headers: { Accept: "application/json" } });
  return response.json();
}

/** Posts, with `data` as JSON where there is some. */
export async function post(url, data) {
  // From the log-out form: the cookie may be closed to scripts.
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const headers = { "X-CSRFToken": token, "Content-Type": "application/json" };
  await request(url, { method: "POST", headers, body: JSON.stringify(data) });
}

async function request(url, options) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { ...options, signal }).catch(() => {
    throw new HttpError(NO_ANSWER);
  });
  if (!response.ok) {
    throw new HttpError(response.status, await detailOf(response));
  }
  return response;
}

async function detailOf(response) {
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  const { detail = "" } = isJson ? await response.json().catch(() => ({})) : {};
  return detail;
}
