// Who is signed in: the token lives in localStorage, and it may arrive in the
// address as /#token=…, from where it is taken at once.

const key = 'spotpool.token';

// current returns the stored session, or null when there is none or its time
// is over.
export function current() {
  const arrived = /^#token=(.+)$/.exec(location.hash);
  if (arrived) {
    localStorage.setItem(key, decodeURIComponent(arrived[1]));
    history.replaceState(null, '', location.pathname);
  }
  const token = localStorage.getItem(key);
  return token ? read(token) : null;
}

// begin stores a token and returns its session; null when it cannot be read.
export function begin(token) {
  localStorage.setItem(key, token);
  return read(token);
}

// end forgets the token.
export function end() {
  localStorage.removeItem(key);
}

// read takes the role and the end from the token's claims. The server checks
// them; here they only choose what to show.
function read(token) {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    const claims = JSON.parse(atob(part));
    if (claims.exp * 1000 > Date.now()) return {token, role: claims.role};
  } catch {
    // Not a token of ours: as good as none.
  }
  end();
  return null;
}
