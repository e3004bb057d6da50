import { PageController } from "./controllers/page.js";
import { SiteNoticeController } from "./controllers/site_notice.js";
import { Store } from "./helpers/storage.js";
import { Answers } from "./models/answers.js";
import { Conversations } from "./models/conversations.js";
import { Drafts } from "./models/drafts.js";
import { Feedback } from "./models/feedback.js";
import { Outbox } from "./models/outbox.js";
import { Threads } from "./models/threads.js";
import { Watchdog } from "./models/watchdog.js";
import { ChatSession } from "./session.js";
import { ChatSocket } from "./socket.js";

const page = JSON.parse(document.getElementById("page-data").textContent);
const store = Store.forPerson(page.user);
const drafts = new Drafts(store);
const models = {
  answers: new Answers(),
  conversations: new Conversations(),
  drafts,
  feedback: new Feedback(page.urls.message_api, page.feedback, drafts),
  outbox: new Outbox(store),
  threads: new Threads(page.urls.conversation_api),
};
const socket = new ChatSocket(page.urls.socket);
const session = new ChatSession(socket, models);

const notice = document.querySelector("[data-site-notice]");
new SiteNoticeController(notice, socket, store).show(page.notice);
new PageController(page, socket, session, models).start();
new Watchdog(models.answers, ({ conversation }) => session.repair(conversation)).start();
socket.open();

document.querySelector("[data-logout]").addEventListener("submit", () => {
  // Otherwise the server's “signed out” sends the page to the log-in form.
  socket.close();
  // Nobody comes back as this guest.
  if (page.user.is_guest) {
    store.clear();
  }
});
