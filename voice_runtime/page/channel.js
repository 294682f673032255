/** The data channel between page and server: a closed list of JSON messages, and pings both ways. */

const PING_MS = 1000;
const SILENT_MS = 3000; // the server counts a caller as gone after 5 s: be sooner
const LONGEST_MESSAGE = 4096;
const LONGEST_SAY = 500;

const text = (value) => typeof value === "string";
const rtp_or_none = (value) => value == null || (Number.isInteger(value) && value >= 0 && value < 2 ** 32);
const one_of = (...values) => (value) => values.includes(value);

/** What the server may send, and what each field must be. Anything else is dropped unread. */
const FROM_SERVER = {
  opened: { call: text, language: text },
  caption: { who: one_of("agent", "caller"), id: text, text, state: one_of("begin", "cut") },
  receipt: { code: (value) => text(value) && /^[0-9A-Z-]{1,32}$/.test(value) },
  state: { agent: one_of("speaking", "listening", "thinking"), until: rtp_or_none },
  pong: {},
  closed: { reason: text },
};

/** A message of the closed list, or null. */
export function parse(data) {
  if (!text(data) || data.length > LONGEST_MESSAGE) return null;
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return null;
  }
  if (message === null || typeof message !== "object" || !Object.hasOwn(FROM_SERVER, message.type)) return null;
  const fields = Object.entries(FROM_SERVER[message.type]);
  return fields.every(([name, valid]) => valid(message[name])) ? message : null;
}

/**
 * Events: ``open``; ``message`` (detail: one of the list above but pong); ``silent`` (the server has not
 * answered pings for 3 s) and ``alive`` (it answers again); ``close`` (closed by the other side or the network).
 */
export class Channel extends EventTarget {
  #channel;
  #timer = 0;
  #answered = 0;
  #pings = 0;
  #pongs = 0;
  #personAfter = -1; // pings sent when a person was asked for
  #silent = false;
  #done = false;

  constructor(dataChannel) {
    super();
    this.#channel = dataChannel;
    dataChannel.addEventListener("open", () => this.#opened());
    dataChannel.addEventListener("message", (event) => this.#received(event.data));
    dataChannel.addEventListener("close", () => {
      if (this.#finish()) this.dispatchEvent(new Event("close"));
    });
  }

  get isSilent() {
    return this.#silent;
  }

  get isOpen() {
    return this.#channel.readyState === "open";
  }

  ready(echoCancellation, microphone) {
    return this.#send({ type: "ready", echo_cancellation: echoCancellation, microphone });
  }

  key(key) {
    return this.#send({ type: "key", key });
  }

  person() {
    this.#personAfter = this.#pings;
    return this.#send({ type: "person" });
  }

  /** Whether it is not known that a request for a person arrived: no later ping has been answered. */
  get isPersonPending() {
    return this.#personAfter >= this.#pongs;
  }

  /** Ask to be shown the call's receipt. */
  receipt() {
    return this.#send({ type: "receipt" });
  }

  /** Words typed by the caller; false when there is nothing to say or no channel. */
  say(words) {
    const said = words.trim().slice(0, LONGEST_SAY).replace(/[\uD800-\uDBFF]$/, ""); // no half of a pair
    return said !== "" && this.#send({ type: "say", text: said });
  }

  /** ``rtp``: RTP timestamp (48 kHz clock) of the newest audio played out. */
  playing(rtp) {
    return this.#send({ type: "playing", rtp });
  }

  bye() {
    return this.#send({ type: "bye" });
  }

  close() {
    this.#finish();
    this.#channel.close();
  }

  #opened() {
    this.#answered = performance.now();
    this.#timer = setInterval(() => this.#ping(), PING_MS);
    this.dispatchEvent(new Event("open"));
    this.#ping();
  }

  #ping() {
    if (!this.#silent && performance.now() - this.#answered > SILENT_MS) {
      this.#silent = true;
      this.dispatchEvent(new Event("silent"));
    }
    if (this.#send({ type: "ping" })) this.#pings += 1;
  }

  #received(data) {
    const message = parse(data);
    if (message === null || this.#done) return;
    this.#answered = performance.now();
    if (this.#silent) {
      this.#silent = false;
      this.dispatchEvent(new Event("alive"));
    }
    if (message.type === "pong") this.#pongs += 1;
    else this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #send(message) {
    if (!this.isOpen) return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  /** Stop pinging; true the first time. */
  #finish() {
    clearInterval(this.#timer);
    const first = !this.#done;
    this.#done = true;
    return first;
  }
}
