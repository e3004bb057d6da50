// Small functions on the DOM, without state.

/** A copy of the one element in a `<template>`. */
export function cloneTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** The element below `root` that has the attribute `data-<name>`. */
export function part(root, name) {
  return root.querySelector(`[data-${name}]`);
}

export function isComposing(event) {
  // 229: Safari ends the composition before it reports the Enter that ended it.
  return event.isComposing || event.keyCode === 229;
}
