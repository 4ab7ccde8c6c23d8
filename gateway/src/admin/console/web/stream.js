// The gateway's events, for as long as the page is shown. `EventSource` cannot send a token, so it is a fetch whose body
// is read as it comes.

/** A stream that was silent for so long is dead: there is an event each second. */
const SILENCE_MS = 5000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const TOKEN = 'gateway.token';

/** Fetches from the gateway, with the token if one was typed in. */
export function ask(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(path, { ...options, headers, cache: 'no-store' });
}

/** Keeps the token for as long as the tab is open; null forgets it. */
export function keepToken(token) {
  if (token === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** Whether a token was typed in. */
export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

/** Splits what comes into events, and calls `each` with their data. */
export function reader(each) {
  let rest = '';
  return (more) => {
    rest += more;
    for (let end; (end = rest.indexOf('\n\n')) >= 0;) {
      const lines = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
      if (data.length > 0) each(data.join('\n'));
    }
  };
}

/**
 * Calls `on.snapshot` with each snapshot, `on.state` with words when the connection's state changes, and `on.token` when a
 * token is needed; then it waits until `again()` of what it returns is called.
 */
export function follow(on) {
  let wait = FIRST_WAIT_MS;
  let timer;
  async function once() {
    const stop = new AbortController();
    let watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const answer = await ask('/events', { signal: stop.signal });
      if (answer.status === 401) return on.token();
      if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
      on.state('connected', 'connected');
      const take = reader((data) => {
        wait = FIRST_WAIT_MS;
        on.snapshot(JSON.parse(data));
      });
      const words = new TextDecoder();
      const body = answer.body.getReader();
      for (;;) {
        const { done, value } = await body.read();
        if (done) throw new Error('the gateway ended the stream');
        clearTimeout(watchdog);
        watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
        take(words.decode(value, { stream: true }));
      }
    } catch (error) {
      const why = error.name === 'AbortError' ? `silent for ${SILENCE_MS / 1000} s` : error.message;
      on.state('away', `the gateway cannot be reached (${why}); trying again`);
      timer = setTimeout(once, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    } finally {
      clearTimeout(watchdog);
    }
  }
  function again() {
    clearTimeout(timer);
    wait = FIRST_WAIT_MS;
    once();
  }
  again();
  return { again };
}
