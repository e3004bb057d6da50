// Sentences with numbers in them, in the language of the page.

const LANGUAGE = document.documentElement.lang || "en";
const ORDINALS = new Intl.PluralRules(LANGUAGE, { type: "ordinal" });
const MINUTES_FROM_SECONDS = 90;
const HOURS_FROM_SECONDS = 90 * 60;

/** “You are next”, “3rd of 7 waiting”. */
export function placeWords(position, waiting) {
  if (position === null) {
    return gettext("In the queue…");
  }
  if (position === 1) {
    return gettext("You are next");
  }
  const values = { place: ordinal(position), waiting: number(Math.max(waiting, position)) };
  return interpolate(gettext("%(place)s of %(waiting)s waiting"), values, true);
}

/** “about 20–40 s”; nothing when nobody knows. */
export function etaWords(eta) {
  if (!eta) {
    return "";
  }
  const inMinutes = eta[1] >= MINUTES_FROM_SECONDS;
  const [from, to] = eta.map((seconds) => Math.max(1, Math.round(seconds / (inMinutes ? 60 : 1))));
  const values = { time: from === to ? number(to) : `${number(from)}–${number(to)}` };
  const words = inMinutes ? gettext("about %(time)s min") : gettext("about %(time)s s");
  return interpolate(words, values, true);
}

/** “42.1 tokens/s · 128 tokens · waited 3.2 s”. */
export function finishWords(usage, timings) {
  const parts = [];
  if (timings?.tokens_per_s > 0) {
    const values = { rate: number(timings.tokens_per_s, 1) };
    parts.push(interpolate(gettext("%(rate)s tokens/s"), values, true));
  }
  const tokens = usage?.completion_tokens;
  if (tokens > 0) {
    const words = ngettext("%(count)s token", "%(count)s tokens", tokens);
    parts.push(interpolate(words, { count: number(tokens) }, true));
  }
  if (timings?.queue_s >= 0.05) {
    const values = { seconds: number(timings.queue_s, 1) };
    parts.push(interpolate(gettext("waited %(seconds)s s"), values, true));
  }
  return parts.join(" · ");
}

/** Why an answer ended, where that is worth a word. */
export function reasonWords(reason, code) {
  if (reason === "aborted") {
    return code === "expired"
      ? gettext("Not answered: nobody was here to wait for it")
      : gettext("Stopped by you");
  }
  if (reason === "length") {
    return code === "deadline"
      ? gettext("The time for one answer was over")
      : gettext("Reached the length limit");
  }
  return "";
}

/** Why an answer failed: in the language of the page where the code is known. */
export function failureWords(code, detail) {
  const known = {
    expired: gettext("No place came free in time. Try again later."),
    engine_died: gettext("The model stopped again and again while it answered this."),
  };
  return known[code] ?? (detail || gettext("The answer failed. Nothing of your message is lost."));
}

/** Who gets to see what with a rating. */
export function keptWords(keepsTexts) {
  return keepsTexts
    ? gettext(
        "The people who run this site see your rating and comment together with the conversation up to this answer.",
      )
    : gettext(
        "The people who run this site see your rating and comment, but not the conversation.",
      );
}

export function retryWords(seconds) {
  if (seconds <= 0) {
    return gettext("You can try again now.");
  }
  if (seconds >= HOURS_FROM_SECONDS) {
    const hours = Math.ceil(seconds / 3600);
    const words = ngettext("Try again in %(count)s hour.", "Try again in %(count)s hours.", hours);
    return interpolate(words, { count: number(hours) }, true);
  }
  if (seconds >= MINUTES_FROM_SECONDS) {
    const minutes = Math.ceil(seconds / 60);
    const words = ngettext(
      "Try again in %(count)s minute.",
      "Try again in %(count)s minutes.",
      minutes,
    );
    return interpolate(words, { count: number(minutes) }, true);
  }
  const words = ngettext(
    "Try again in %(count)s second.",
    "Try again in %(count)s seconds.",
    seconds,
  );
  return interpolate(words, { count: number(seconds) }, true);
}

/** “12,345 of 50,000 tokens left today”. */
export function quotaWords(left, limit, resetsAt) {
  const time = resetsAt.toLocaleTimeString(LANGUAGE, { hour: "2-digit", minute: "2-digit" });
  if (left <= 0) {
    const words = gettext("Your tokens for today are used up. They come back at %(time)s.");
    return interpolate(words, { time }, true);
  }
  const values = { left: number(left), limit: number(limit) };
  return interpolate(gettext("%(left)s of %(limit)s tokens left today"), values, true);
}

function ordinal(value) {
  const words = {
    one: gettext("%(number)sst"),
    two: gettext("%(number)snd"),
    few: gettext("%(number)srd"),
    other: gettext("%(number)sth"),
  }[ORDINALS.select(value)];
  return interpolate(words, { number: number(value) }, true);
}

function number(value, digits = 0) {
  return value.toLocaleString(LANGUAGE, { maximumFractionDigits: digits });
}
