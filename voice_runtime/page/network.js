/** Whether the network suffers: loss, delay and jitter from getStats, judged with patience both ways. */

const EVERY_MS = 2000;
const IN_A_ROW = 2; // so many looks agree before the verdict changes

/** Above any of these a look is weak; a good one is below all of the second set. Shares of 1, s. */
const WEAK = { loss: 0.03, sent_loss: 0.03, rtt_s: 0.4, jitter_s: 0.08, concealed: 0.06 };
const GOOD = { loss: 0.015, sent_loss: 0.015, rtt_s: 0.3, jitter_s: 0.05, concealed: 0.03 };

/** What a getStats report says that matters here; fields that the browser lacks are undefined. */
export function reading(report) {
  const found = {};
  for (const entry of report.values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "audio") {
      found.received = entry.packetsReceived;
      found.lost = entry.packetsLost;
      found.jitter_s = entry.jitter;
      found.samples = entry.totalSamplesReceived;
      found.concealed = (entry.concealedSamples ?? 0) - (entry.silentConcealedSamples ?? 0);
    } else if (entry.type === "remote-inbound-rtp" && entry.kind === "audio") {
      found.sent_loss = entry.fractionLost;
      found.rtt_s ??= entry.roundTripTime;
    } else if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime !== undefined) {
      found.rtt_s = entry.currentRoundTripTime;
    }
  }
  return found;
}

const share = (part, whole) => (whole > 0 ? Math.max(0, part) / whole : 0);

/** Verdict over successive readings: "good" or "weak". Pure; the first reading only starts the count. */
export class Quality {
  verdict = "good";
  #last = null;
  #against = 0;

  add(now) {
    const last = this.#last;
    this.#last = now;
    if (last === null || now.received === undefined || last.received === undefined) return this.verdict;
    const lost = now.lost - last.lost;
    const look = {
      loss: share(lost, lost + now.received - last.received),
      sent_loss: now.sent_loss ?? 0,
      rtt_s: now.rtt_s ?? 0,
      jitter_s: now.jitter_s ?? 0,
      concealed: share(now.concealed - last.concealed, now.samples - last.samples),
    };
    const names = Object.keys(WEAK);
    const changes =
      this.verdict === "good"
        ? names.some((name) => look[name] >= WEAK[name])
        : names.every((name) => look[name] < GOOD[name]);
    this.#against = changes ? this.#against + 1 : 0;
    if (this.#against >= IN_A_ROW) {
      this.verdict = this.verdict === "good" ? "weak" : "good";
      this.#against = 0;
    }
    return this.verdict;
  }
}

/** Look every two seconds and tell ``changed("weak" | "good")``; returns a function that stops it. */
export function watch(stats, changed) {
  const quality = new Quality();
  let verdict = quality.verdict;
  let watching = true;
  const timer = setInterval(async () => {
    const next = quality.add(reading(await stats()));
    if (watching && next !== verdict) changed((verdict = next));
  }, EVERY_MS);
  return () => {
    watching = false;
    clearInterval(timer);
  };
}
