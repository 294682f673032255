/** The caller's page: fetch what the agent is, show it, place calls. */

import { Api } from "./api.js";
import { Before } from "./before.js";
import { Call } from "./call.js";
import { During } from "./during.js";
import { Microphone, isAvailable, problem } from "./microphone.js";
import { Notices, element } from "./page.js";
import { localise, pageLanguage, preferred, translator } from "./strings.js";

const api = new Api();
const alerts = new Notices(element("alert"));

let about = null;
let before = null;
let during = null;
let call = null;
let microphone = null;
let typedLast = false;
let newest = 0; // attempts to start a call
let t = translator(preferred(["en", "es"]));

/** Views: loading | failed | before | call | after. */
function show(view) {
  element("page").dataset.view = view;
  element("before").hidden = view !== "before";
  element("during").hidden = view !== "call" && view !== "after";
  element("state").hidden = element("live").hidden = view !== "call";
  element("after").hidden = view !== "after";
}

function speak(language) {
  t = translator(language);
  document.documentElement.lang = pageLanguage(language);
  localise(document, t);
  before.render(t);
}

async function load() {
  try {
    about = await api.about();
  } catch (refused) {
    const known = refused.kind === "unknown_agent" ? refused.kind : "unreachable";
    element("title").textContent = t(`${known}_heading`);
    alerts.show("load", "error", t(known), { text: t("try_again"), run: () => location.reload() });
    return show("failed");
  }
  before = new Before(about, speak);
  during = new During(() => begin(typedLast));
  speak(before.language);
  element("start").addEventListener("click", () => begin(false));
  element("start-typed").addEventListener("click", () => begin(true));
  if (about.typed === false) hide("start-typed", "typed-hint");
  if (!("RTCPeerConnection" in window)) {
    alerts.show("browser", "error", t("no_webrtc"));
    hide("start", "start-hint", "start-typed", "typed-hint");
  } else if (!isAvailable()) {
    alerts.show("microphone", "warning", t("insecure"));
    hide("start", "start-hint");
    element("start-typed").className = "primary";
  } else {
    await before.offerMicrophones();
  }
  return show("before");
}

function hide(...ids) {
  for (const id of ids) element(id).hidden = true;
}

function busy(yes) {
  for (const id of ["start", "again"]) element(id).disabled = yes; // typing goes on while the browser asks
}

/** Place a call; without a microphone when ``typed``. What keeps it from starting is said where it was asked. */
async function begin(typed) {
  if (call !== null && !call.isOver) return;
  const attempt = (newest += 1);
  busy(true);
  alerts.clearAll();
  typedLast = typed;
  const opening = typed ? null : new Microphone();
  try {
    await opening?.open(before.microphoneId);
  } catch (error) {
    if (attempt !== newest) return;
    show("before");
    alerts.show("microphone", "error", t(problem(error)));
    busy(false);
    return;
  }
  if (attempt !== newest) {
    opening.close(); // the caller went on without it meanwhile
    return;
  }
  busy(false);
  microphone = opening;
  call = new Call({ api, language: before.language, microphone, audio: element("voice") });
  call.addEventListener("state", ({ detail }) => detail.state === "ended" && ended());
  show("call");
  during.show(call, microphone, about, before.language, t);
  keepAwake(call);
  call.start();
}

function ended() {
  microphone?.close();
  show("after");
  element("end-heading").focus();
}

/** A screen that goes dark takes the call with it on many phones. */
async function keepAwake(during) {
  const lock = await navigator.wakeLock?.request("screen").catch(() => null);
  during.addEventListener("state", ({ detail }) => detail.state === "ended" && lock?.release());
}

window.addEventListener("pagehide", () => call?.hangUp());

load();
