import { Actions } from "./actions.js";
import { Charts } from "./charts.js";
import { Confirmation } from "./confirmation.js";
import { Connection } from "./connection.js";
import { words } from "./format.js";
import { PolicyForm } from "./policy_form.js";
import { QueueState } from "./queue_state.js";
import { RequestRows } from "./request_rows.js";
import { MonitorSocket } from "./socket.js";
import { Summary } from "./summary.js";
import { WorkerRows } from "./worker_rows.js";

const CLOCK_MS = 1_000;

const page = JSON.parse(document.getElementById("monitor-data").textContent);
const root = document.querySelector("[data-monitor]");
const socket = new MonitorSocket(page.socket);
const state = new QueueState();
const connection = new Connection(root);
const charts = new Charts(root);
const actions = page.can_steer ? new Actions(page.base, root, () => socket.look()) : null;
const confirmation = new Confirmation(root.querySelector("[data-confirm]"));

const requests = new RequestRows(root, state, page.history, {
  abort: async (row) => {
    const question = gettext("Abort the answer to %(user)s? What is written of it stays.");
    if (await confirmation.ask(words(question, row))) {
      actions.act(`requests/${row.id}/abort/`);
    }
  },
  front: (row) => actions.act(`requests/${row.id}/front/`),
  priority: (row, wanted) => {
    const { lowest, highest } = page.priorities;
    const priority = Math.min(highest, Math.max(lowest, wanted));
    actions.act(`requests/${row.id}/priority/`, { priority });
  },
});
const workers = new WorkerRows(root, state, {
  drain: (worker) => actions.act(`workers/${encodeURIComponent(worker.name)}/drain/`),
  undrain: (worker) => actions.act(`workers/${encodeURIComponent(worker.name)}/undrain/`),
});
const summary = new Summary(root, state);
const forms = page.can_steer
  ? [
      new PolicyForm(root.querySelector("[data-limits]"), "limits/", actions),
      new PolicyForm(root.querySelector("[data-notice]"), "notice/", actions),
    ]
  : [];
const range = root.querySelector("[data-range]");
const pause = root.querySelector("[data-pause]");

function show() {
  summary.show();
  requests.show();
  workers.show();
}

function heard() {
  connection.live();
  if (pause) {
    pause.disabled = false;
  }
  forms.forEach((form) => form.show(state.policy));
  show();
}

async function loadCharts() {
  const minutes = Number(range.value);
  try {
    const response = await fetch(`${page.base}samples/?minutes=${minutes}`);
    const { samples } = await response.json();
    if (minutes === Number(range.value)) {
      charts.replace(samples, minutes * 60);
    }
  } catch {
    // The next connection loads them again.
  }
}

socket.addEventListener("state", ({ detail }) => {
  state.replace(detail);
  heard();
  loadCharts();
});
socket.addEventListener("update", ({ detail }) => {
  state.apply(detail);
  heard();
  charts.add(detail.samples);
});
socket.addEventListener("trouble", () => connection.trouble());
socket.addEventListener("lost", () => connection.lost());
socket.addEventListener("signed-out", () => connection.signedOut());
socket.addEventListener("forbidden", () => connection.forbidden());
pause?.addEventListener("click", () => actions.act(state.policy.paused ? "resume/" : "pause/"));
range.addEventListener("change", loadCharts);
// Waits and ages grow without any news.
setInterval(() => state.totals.places === undefined || document.hidden || show(), CLOCK_MS);
socket.open();
