// Downstreams, refusals, pages in flight and slow pages.

import { byId, each, html, row, set, svg, text } from './dom.js';
import { ago, count, rate, time } from './units.js';

function body(id) {
  return byId(id).tBodies[0];
}

function showTable(id, items, key, make) {
  const none = byId(`${id}-none`);
  if (none) set(none, 'hidden', items.length > 0 ? '' : null);
  set(byId(id).parentElement, 'hidden', items.length > 0 ? null : '');
  each(body(id), items, key, make);
}

/** A meter of `limit` cells, `used` of them; with words beside it, so the picture is for the eye only. */
function meter() {
  const bar = svg('rect', { height: 10, y: 0, class: 'meter-used' });
  const drawing = svg('svg', { width: 84, height: 10, class: 'meter', 'aria-hidden': 'true' }, svg('rect', { width: 84, height: 10, class: 'meter-all' }), bar);
  drawing.update = (used, limit) => {
    const share = limit ? Math.min(used / limit, 1) : 0;
    set(bar, 'width', (84 * share).toFixed(1));
    set(drawing, 'class', share >= 0.9 ? 'meter full' : 'meter');
  };
  return drawing;
}

export function showDownstreams({ downstreams }) {
  showTable('bulkheads', downstreams, (one) => one.name, () => {
    const [bar, words] = [meter(), html('span')];
    const [name, needed] = [html('b'), html('small', { class: 'soft' })];
    const made = row([['', 'head'], ['Permits in use', ''], ['Pages waiting', 'n'], ['Calls/s', 'n'], ['Ended badly', ''], ['p50', 'n'], ['p99', 'n'], ['Endpoints', '']], (cells, one) => {
      text(name, one.name);
      text(needed, one.required_by.length > 0 ? 'required' : 'optional');
      bar.update(one.in_use, one.permits);
      set(bar, 'hidden', one.permits === null ? '' : null);
      const full = one.permits !== null && one.in_use >= one.permits ? ', full' : '';
      text(words, one.permits === null ? `${one.in_use}, no bulkhead` : `${one.in_use} of ${one.permits}${full}`);
      text(cells[2], String(one.queued));
      text(cells[3], rate(one.calls.reduce((sum, call) => sum + call.per_s, 0)));
      text(cells[4], badly(one));
      set(cells[4], 'class', badly(one) === 'none' ? 'soft' : 'bad');
      text(cells[5], time(one.p50_ms));
      text(cells[6], time(one.p99_ms));
      text(cells[7], endpoints(one.endpoints));
      set(cells[7], 'class', one.endpoints.some((end) => end.state !== 'in use') || one.endpoints.length === 0 ? 'bad' : '');
    });
    made.cells[0].append(name, ' ', needed);
    made.cells[1].append(bar, ' ', words);
    return made;
  });
}

/** `1.5/s late, 0.2/s failed`. */
function badly(one) {
  const bad = one.calls.filter((call) => ['failed', 'busy', 'late', 'cancelled'].includes(call.outcome) && call.per_s > 0);
  const words = bad.sort((a, b) => b.per_s - a.per_s).map((call) => `${rate(call.per_s)}/s ${call.outcome}`);
  if (one.parts_shed_per_s > 0) words.push(`${rate(one.parts_shed_per_s)}/s parts left out`);
  return words.join(', ') || 'none';
}

function endpoints(all) {
  if (all.length === 0) return '✕ no address';
  const aside = all.filter((end) => end.state !== 'in use');
  if (aside.length === 0) return `✓ ${count(all.length, 'endpoint')} in use`;
  return `✕ ${aside.map((end) => `${end.address} ${end.state}`).join(', ')}; ${all.length - aside.length} of ${all.length} in use`;
}

export function showRefusals({ refusals, spread_over_ms: over }) {
  text(byId('refusals-over'), `in the last ${(over / 1000).toFixed(0)} s`);
  showTable('refusals', refusals, (one) => `${one.reason} ${one.scope} ${one.observed}`, () => row([['Pages/s', 'n'], ['Reason', ''], ['Limit', ''], ['Keys', 'words']], (cells, one) => {
    text(cells[0], rate(one.per_s));
    text(cells[1], one.observed ? `${one.reason}, only observed` : one.reason);
    set(cells[1], 'class', one.observed ? 'soft' : '');
    text(cells[2], one.scope);
    const keys = one.keys.map((turn) => turn.key).join(' ');
    if (cells[3].dataset.keys !== keys) {
      cells[3].dataset.keys = keys;
      cells[3].replaceChildren(...one.keys.map((turn) => html('div', {}, html('code', {}, turn.key), html('span', { class: 'soft' }, ` ${turn.advice}`))));
    }
  }));
}

/** The button in a row that opens a page. */
function opener(open) {
  let id;
  const words = html('span');
  const button = html('button', { type: 'button', class: 'open', onclick: () => open(id) }, words);
  return { button, update(of, label) {
    id = of.id;
    text(words, label);
    set(button, 'aria-label', `${label}: open page ${of.id}`);
  } };
}

export function showInFlight({ in_flight: pages }, open) {
  showTable('flight', pages, (page) => page.id, () => {
    const opens = opener(open);
    const made = row([['Age', 'n'], ['Left', 'n'], ['Stage', 'words'], ['Page', '']], (cells, page) => {
      opens.update(page, time(page.age_ms));
      text(cells[1], time(page.left_ms));
      text(cells[2], page.stage);
      text(cells[3], page.page);
    });
    made.cells[0].append(opens.button);
    return made;
  });
}

export function showSlow({ slow, at_ms: now }, open) {
  showTable('slow', slow, (page) => page.id, () => {
    const opens = opener(open);
    const made = row([['Took', 'n'], ['Outcome', ''], ['Because', 'words'], ['Ended', '']], (cells, page) => {
      opens.update(page, time(page.total_ms));
      text(cells[1], page.outcome);
      text(cells[2], page.because);
      text(cells[3], ago(page.at_ms, now));
    });
    made.cells[0].append(opens.button);
    return made;
  });
}
