const TIMEOUT_MS = 15_000;

const NO_ANSWER = 0;

/** A request that failed; `status` is 0 when no answer came at all. */
export class HttpError extends Error {
  constructor(status) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

export async function getJson(url) {
  const response = await request(url, { headers: { Accept: "application/json" } });
  return response.json();
}

export async function post(url) {
  // From the log-out form: the cookie may be closed to scripts.
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  await request(url, { method: "POST", headers: { "X-CSRFToken": token } });
}

async function request(url, options) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { ...options, signal }).catch(() => {
    throw new HttpError(NO_ANSWER);
  });
  if (!response.ok) {
    throw new HttpError(response.status);
  }
  return response;
}
