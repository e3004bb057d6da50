// Figures as people read them, in the language of the page. Pure functions.

const LANGUAGE = document.documentElement.lang || "en";
const NONE = "–";

export function count(value, digits = 0) {
  return Number.isFinite(value)
    ? value.toLocaleString(LANGUAGE, { maximumFractionDigits: digits })
    : NONE;
}

/** “0.4 s”, “12 s”, “3 min 20 s”, “2 h 5 min”. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) {
    return NONE;
  }
  const whole = Math.max(0, seconds);
  if (whole < 10) {
    return words(gettext("%(s)s s"), { s: count(whole, 1) });
  }
  if (whole < 60) {
    return words(gettext("%(s)s s"), { s: count(Math.floor(whole)) });
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    return words(gettext("%(min)s min %(s)s s"), { min: minutes, s: Math.floor(whole % 60) });
  }
  return words(gettext("%(h)s h %(min)s min"), { h: Math.floor(minutes / 60), min: minutes % 60 });
}

/** “20–40 s” for a range of seconds. */
export function range(eta) {
  if (!eta) {
    return NONE;
  }
  const [low, high] = eta;
  if (high < 60) {
    return words(gettext("%(low)s–%(high)s s"), { low, high });
  }
  const minutes = { low: count(low / 60, low < 600 ? 1 : 0), high: count(high / 60, high < 600 ? 1 : 0) };
  return words(gettext("%(low)s–%(high)s min"), minutes);
}

export function percent(share) {
  return Number.isFinite(share)
    ? share.toLocaleString(LANGUAGE, { style: "percent", maximumFractionDigits: 0 })
    : NONE;
}

/** “5.1 of 24 GB”. */
export function memory(used, total) {
  if (!total) {
    return NONE;
  }
  const values = { used: count(used / 1e9, 1), total: count(total / 1e9, total < 1e10 ? 1 : 0) };
  return words(gettext("%(used)s of %(total)s GB"), values);
}

export function milliseconds(value) {
  return value > 0 ? words(gettext("%(ms)s ms"), { ms: count(value, value < 10 ? 1 : 0) }) : NONE;
}

export function words(sentence, values) {
  return interpolate(sentence, values, true);
}

/** Text, set only where it differs: a screen reader hears nothing of what stays. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
