// Offsets on the wire count code points; JavaScript strings count UTF-16 units. Pure functions.

export function countCodePoints(text) {
  let count = 0;
  for (let index = 0; index < text.length; index = afterCodePoint(text, index)) {
    count += 1;
  }
  return count;
}

/** The index in UTF-16 units of the code point number `offset` (or the end of the text). */
export function indexOfCodePoint(text, offset) {
  let index = 0;
  for (let seen = 0; seen < offset && index < text.length; seen += 1) {
    index = afterCodePoint(text, index);
  }
  return index;
}

export function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

/** The first words of a message, as the server shortens them into a title. */
export function titleOf(text, longest = 60) {
  const words = text.split(/\s+/u).filter(Boolean).join(" ");
  const points = [...words];
  return points.length <= longest ? words : `${points.slice(0, longest - 1).join("").trimEnd()}…`;
}

function afterCodePoint(text, index) {
  return index + (text.codePointAt(index) > 0xffff ? 2 : 1);
}
