/** The HTTP of a call: what the agent is, a one-time token, offer and answer, trickled candidates. */

const PATIENCE_MS = 10_000;

/**
 * The call was not taken. ``kind``: unreachable | unknown_agent | unknown_call | token | origin |
 * capacity | unavailable | offer | failed.
 */
export class Refused extends Error {
  constructor(kind, status = 0) {
    super(`${kind} (${status})`);
    this.kind = kind;
    this.status = status;
  }
}

const BY_STATUS = { 400: "offer", 403: "token", 404: "unknown_agent", 422: "offer", 429: "capacity", 503: "capacity" };
const KINDS = new Set(["unknown_agent", "unknown_call", "token", "origin", "capacity", "unavailable", "offer"]);

export class Api {
  /** ``address``: of the page, …/call/{agent}; everything else lies relative to it. */
  constructor(address = location.href) {
    const page = new URL(address);
    page.search = page.hash = "";
    page.pathname = page.pathname.replace(/\/+$/, "");
    this.agentUrl = page.href;
    this.offerUrl = new URL("../webrtc/offer", page).href;
  }

  /** What the page shows before a call; see voice_runtime/caller_page.py. */
  about() {
    return request(`${this.agentUrl}/about.json`);
  }

  /** ``{token, ice_servers, expires_s}``; the token is good for one call. */
  token() {
    return request(`${this.agentUrl}/token`, "POST");
  }

  /** Answer to an offer: ``{sdp, type, pc_id, call}``. With ``pc_id``, about a call that is under way. */
  offer(body, limit_ms) {
    return request(this.offerUrl, "POST", body, limit_ms);
  }

  candidates(pcId, candidates) {
    const wire = candidates.map((c) => ({
      candidate: c.candidate,
      sdp_mid: c.sdpMid,
      sdp_mline_index: c.sdpMLineIndex,
    }));
    return request(this.offerUrl, "PATCH", { pc_id: pcId, candidates: wire });
  }
}

async function request(url, method = "GET", body = undefined, limit_ms = PATIENCE_MS) {
  let response;
  try {
    response = await fetch(url, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { "content-type": "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(limit_ms),
    });
  } catch {
    throw new Refused("unreachable");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  if (response.ok) return {};
  const named = KINDS.has(answer?.error) ? answer.error : undefined;
  throw new Refused(named ?? BY_STATUS[response.status] ?? "failed", response.status);
}
