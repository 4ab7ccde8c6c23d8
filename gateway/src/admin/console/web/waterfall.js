// One page, opened: what `/pages/{id}` says of it, in sentences and as a waterfall.

import { ask } from './stream.js';
import { byId, html, svg, text } from './dom.js';
import { time } from './units.js';

/** Asks the gateway for the page of this id and shows it, or why there is none. */
export async function openPage(id) {
  const dialog = byId('page');
  text(byId('page-title'), `Page ${id}`);
  byId('page-body').replaceChildren(html('p', { class: 'soft' }, 'Asking the gateway.'));
  if (!dialog.open) dialog.showModal();
  byId('page-close').focus();
  try {
    const answer = await ask(`/pages/${encodeURIComponent(id)}`);
    const words = await answer.text();
    if (!answer.ok) throw new Error(words.trim() || `HTTP ${answer.status}`);
    byId('page-body').replaceChildren(...JSON.parse(words).pages.map(shown));
  } catch (error) {
    byId('page-body').replaceChildren(html('p', { class: 'bad' }, error.message));
  }
}

byId('page-close').addEventListener('click', () => byId('page').close());

function shown(page) {
  const outcome = page.outcome ?? page.stage;
  const head = html('p', {}, html('b', {}, `${page.method} ${page.route}`), ` · ${outcome}`, page.http_status ? `, HTTP ${page.http_status}` : '', ` · ${time(page.total_ms)}`);
  const ids = html('p', { class: 'soft ids' }, `trace ${page.trace_id}`);
  const story = html('ul', { class: 'story' }, ...(page.story ?? []).map((sentence) => html('li', {}, sentence)));
  const keys = (page.keys ?? []).map((turn) => html('li', {}, html('code', {}, turn.key), ` ${turn.advice}`));
  const advice = keys.length > 0 ? [html('h3', {}, 'Keys that would have changed it'), html('ul', { class: 'story' }, ...keys)] : [];
  return html('article', {}, head, waterfall(page), story, ...advice, ids);
}

/** Rows of `{name, about, begin, ms, kind, words}`. */
function rows(page) {
  const all = [{ name: page.page, about: 'the page', begin: 0, ms: page.total_ms, kind: 'page', words: page.outcome ?? 'in flight' }];
  const { admission, assembly } = page;
  if (admission) all.push({ name: 'admission', about: admission.waited_for ? `waited for ${admission.waited_for}` : 'at once', begin: admission.begin_ms, ms: admission.ms, kind: 'wait', words: '' });
  for (const part of page.parts) {
    const about = part.required ? 'required' : 'optional';
    if (!part.call) {
      all.push({ name: part.part, about, begin: null, ms: null, kind: part.outcome, words: `${part.outcome}, no call was made` });
      continue;
    }
    const attempts = part.call.attempts;
    const ended = part.call.cause ? `${part.outcome}: ${part.call.cause}` : part.outcome;
    all.push({ name: part.part, about, begin: part.call.begin_ms, ms: part.call.ms, kind: part.outcome, words: ended });
    if (attempts.length > 1) {
      for (const [nth, attempt] of attempts.entries()) {
        all.push({ name: `attempt ${nth + 1}`, about: attempt.endpoint, begin: attempt.begin_ms, ms: attempt.ms, kind: attempt.failure ? 'failed' : part.outcome, words: attempt.failure ?? '', inner: true });
      }
    }
  }
  if (assembly) all.push({ name: 'assembly', about: '', begin: assembly.begin_ms, ms: assembly.ms, kind: 'wait', words: '' });
  return all;
}

function waterfall(page) {
  const all = rows(page);
  const end = Math.max(1, page.deadline_ms ?? 0, ...all.map((row) => (row.begin ?? 0) + (row.ms ?? 0))) * 1.01;
  const line = (row) => html('tr', { class: row.inner ? 'inner' : '', role: 'row' },
    html('th', { scope: 'row', role: 'rowheader' }, row.name, ' ', html('small', { class: 'soft' }, row.about)),
    html('td', { class: 'bar-cell', role: 'cell' }, bar(row, end, page.deadline_ms)),
    html('td', { class: 'n', role: 'cell' }, row.ms === null ? '–' : time(row.ms)),
    html('td', { role: 'cell', class: ['late', 'failed', 'busy', 'shed'].includes(row.kind) ? 'bad' : 'soft' }, row.words));
  const scale = page.deadline_ms === null ? `0 to ${time(end)}` : `0 to ${time(end)}; the line is where calls must have ended: ${time(page.deadline_ms)}`;
  return html('div', { class: 'wide' }, html('table', { class: 'waterfall', role: 'table' },
    html('caption', { class: 'soft' }, scale),
    html('thead', { role: 'rowgroup' }, html('tr', { role: 'row' }, ...['Step', 'When', 'Took', 'Ended'].map((name, nth) => html('th', { scope: 'col', role: 'columnheader', class: nth === 2 ? 'n' : '' }, name)))),
    html('tbody', { role: 'rowgroup' }, ...all.map(line))));
}

/** A bar for the eye: its figures stand beside it. */
function bar(row, end, deadline) {
  const at = (ms) => (100 * ms / end).toFixed(2);
  const drawing = svg('svg', { viewBox: '0 0 100 14', preserveAspectRatio: 'none', class: 'bar', 'aria-hidden': 'true' });
  if (row.begin !== null) drawing.append(svg('rect', { class: `bar-${row.kind}`, x: at(row.begin), width: Math.max(0.6, 100 * row.ms / end).toFixed(2), y: 2, height: 10 }));
  if (deadline !== null) drawing.append(svg('rect', { class: 'bar-deadline', x: at(deadline), width: 0.35, y: 0, height: 14 }));
  return drawing;
}
