// The console: wires the gateway's events to what is shown.

import { byId, set, text } from './dom.js';
import { History } from './history.js';
import { showChanges, showHeadline, showOwn, showPages } from './overview.js';
import { follow, hasToken, keepToken } from './stream.js';
import { showDownstreams, showInFlight, showRefusals, showSlow } from './tables.js';
import { openPage } from './waterfall.js';

const history = new History();
let paused = false;
let newest = null;

function show(snapshot) {
  set(byId('main'), 'hidden', null);
  showHeadline(snapshot);
  showPages(snapshot, history);
  showDownstreams(snapshot);
  showRefusals(snapshot);
  showInFlight(snapshot, openPage);
  showSlow(snapshot, openPage);
  showOwn(snapshot);
  showChanges(snapshot);
}

function pause() {
  paused = !paused;
  set(byId('pause'), 'aria-pressed', paused);
  text(byId('pause'), paused ? 'Go on' : 'Pause');
  set(document.body, 'data-paused', paused ? '' : null);
  if (!paused && newest) show(newest);
}

const stream = follow({
  snapshot(snapshot) {
    newest = snapshot;
    history.add(snapshot);
    if (!paused) show(snapshot);
    text(byId('link'), paused ? 'paused' : 'live, once a second');
  },
  state(state, words) {
    set(document.body, 'data-link', state);
    text(byId('link'), words);
  },
  token() {
    set(document.body, 'data-link', 'token');
    text(byId('link'), 'waiting for the token');
    text(byId('token-wrong'), hasToken() ? 'The gateway does not take this token.' : '');
    set(byId('main'), 'hidden', '');
    set(byId('token'), 'hidden', null);
    byId('token-input').focus();
  },
});

byId('token').addEventListener('submit', (event) => {
  event.preventDefault();
  keepToken(byId('token-input').value.trim());
  byId('token-input').value = '';
  set(byId('token'), 'hidden', '');
  stream.again();
});
byId('pause').addEventListener('click', pause);
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest?.('input, dialog');
  if (event.key === 'p' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) pause();
});
window.addEventListener('resize', () => newest && !paused && show(newest));
