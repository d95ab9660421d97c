// Talks to the API: the bearer token, one Idempotency-Key for each intended
// change, and problem+json turned into errors.

// Problem is what the API (or the way to it) answered instead of a result.
export class Problem extends Error {
  constructor({status = 0, code = 'unreachable', detail = '', title = '', errors = []}, retryAfter = 0) {
    super(detail || title || code);
    Object.assign(this, {status, code, fields: errors, retryAfter});
  }
}

// client returns the calls of one signed-in session; onEnd runs when the
// server no longer accepts its token. Without a token it serves for signing in.
export function client(token, onEnd = () => {}) {
  const keys = new Map(); // of changes whose outcome is not known yet
  const auth = token ? {Authorization: `Bearer ${token}`} : {};

  async function send(path, init) {
    let response;
    try {
      response = await fetch(path, {...init, headers: {...auth, ...init.headers}});
    } catch (err) {
      if (err.name === 'AbortError') throw err;
      throw new Problem({});
    }
    if (response.ok) return response;
    if (response.status === 401 && token) onEnd();
    throw await problemOf(response);
  }

  async function get(path) {
    return (await send(path, {})).json();
  }

  // post keeps the key of a change that may or may not have reached the server,
  // so that pressing the button again cannot do it twice.
  async function post(path, body = {}) {
    const text = JSON.stringify(body);
    const change = path + text;
    if (!keys.has(change)) keys.set(change, randomKey());
    let known = true;
    try {
      const response = await send(path, {
        method: 'POST',
        headers: {'Content-Type': 'application/json', 'Idempotency-Key': keys.get(change)},
        body: text,
      });
      const answer = await response.text();
      return answer ? JSON.parse(answer) : null;
    } catch (err) {
      known = err.status > 0 && err.status < 500;
      throw err;
    } finally {
      if (known) keys.delete(change);
    }
  }

  // patch changes what is still of the version given.
  async function patch(path, body, version) {
    const response = await send(path, {
      method: 'PATCH',
      headers: {'Content-Type': 'application/json', 'If-Match': `"${version}"`},
      body: JSON.stringify(body),
    });
    return response.json();
  }

  // put replaces what is kept for this person; to do it twice changes nothing.
  async function put(path, body) {
    const response = await send(path, {method: 'PUT', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
    return response.json();
  }

  // open returns the response of a stream, whose body is still to be read.
  function open(path, headers, signal) {
    return send(path, {headers: {Accept: 'text/event-stream', ...headers}, signal});
  }

  return {get, post, patch, put, open};
}

async function problemOf(response) {
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  const fallback = {status: response.status, code: `http_${response.status}`, title: response.statusText};
  try {
    return new Problem({...fallback, ...await response.json()}, retryAfter);
  } catch {
    return new Problem(fallback, retryAfter);
  }
}

// randomKey avoids crypto.randomUUID, which plain http beyond localhost lacks.
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
}
