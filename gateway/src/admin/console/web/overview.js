// The headline, the pages with their charts, the gateway itself, and the last changes.

import { byId, each, html, set, text } from './dom.js';
import { chart } from './chart.js';
import { clock, count, rate, time } from './units.js';

/** A shape for each state, so that it is told without colour; the word stands beside it. */
const SHAPES = { idle: '○', good: '●', degraded: '▲', failing: '■', draining: '◆' };

export function showHeadline({ headline, gateway }) {
  const { state } = headline;
  set(byId('headline'), 'data-state', state);
  text(byId('state'), `${SHAPES[state] ?? '?'} ${state}`);
  text(byId('sentence'), headline.text);
  const told = byId('told');
  // A screen reader is told when the state changes, not each second.
  if (told.dataset.state !== state) {
    told.dataset.state = state;
    text(told, `${state}: ${headline.text}`);
  }
  text(byId('service'), gateway.service);
  text(byId('instance'), `${gateway.env} · version ${gateway.version} · ${gateway.instance}`);
  document.title = `${SHAPES[state] ?? '?'} ${state} · ${gateway.service}`;
}

export function showPages(snapshot, history) {
  each(byId('pages'), snapshot.pages, (page) => page.name, (page) => card(page.name));
  for (const shown of byId('pages').children) shown.draw(snapshot, history);
}

function card(name) {
  const figures = html('dl', { class: 'figures' });
  const goodHost = html('div', { class: 'chart-host' });
  const timeHost = html('div', { class: 'chart-host' });
  const outcomes = html('ul', { class: 'outcomes', 'aria-label': `How pages of ${name} end, per second` });
  const element = html('article', { class: 'card', 'aria-label': `Page ${name}` },
    html('h3', {}, name), figures,
    html('div', { class: 'charts' },
      html('figure', {}, html('figcaption', {}, 'Pages per second: ', key('good', 'good'), ' of ', key('owed', 'owed')), goodHost),
      html('figure', {}, html('figcaption', {}, 'Time of pages that were let in: ', key('p50', 'p50'), ' and ', key('p99', 'p99')), timeHost)),
    outcomes);
  const good = chart(goodHost, ['owed', 'good'], { axis: String, unit: rate });
  const times = chart(timeHost, ['p99', 'p50'], { axis: time, unit: time });
  let page;
  element.update = (shown) => { page = shown; };
  element.draw = (snapshot, history) => {
    const { changes, at_ms: now } = snapshot;
    showFigures(figures, page);
    good.update({
      now, changes, label: `Good pages of ${name}: ${rate(page.good_per_s)} per second now, of ${rate(page.owed_per_s)} owed.`,
      lines: { owed: history.of(name, (shown) => shown.owed_per_s), good: history.of(name, (shown) => shown.good_per_s) },
    });
    times.update({
      now, changes, limit: page.deadline_ms,
      label: `Time of pages of ${name}: half take no longer than ${time(page.p50_ms)}, 99 of 100 than ${time(page.p99_ms)}; the deadline is ${time(page.deadline_ms)}.`,
      lines: { p99: history.of(name, (shown) => shown.p99_ms), p50: history.of(name, (shown) => shown.p50_ms) },
    });
    const some = page.outcomes.filter((outcome) => outcome.per_s > 0);
    each(outcomes, some, (outcome) => outcome.outcome, outcomeItem);
  };
  return element;
}

function key(line, words) {
  return html('span', { class: `key key-${line}` }, words);
}

function outcomeItem(first) {
  const figure = html('b');
  const item = html('li', { class: `outcome-${first.outcome}` }, figure, ` ${first.outcome}/s`);
  item.update = (outcome) => text(figure, rate(outcome.per_s));
  return item;
}

function showFigures(list, page) {
  const deadline = page.deadline_ms === null ? 'no deadline' : `deadline ${time(page.deadline_ms)}`;
  definitions(list, [
    ['Good', `${rate(page.good_per_s)} pages/s`, `of ${rate(page.owed_per_s)} owed`],
    ['p50', time(page.p50_ms), ''],
    ['p99', time(page.p99_ms), deadline],
    ['Waiting for permits', count(page.queued, 'page'), `of ${page.queue} that may`],
  ]);
}

function definitions(list, rows) {
  each(list, rows, ([term]) => term, ([term]) => {
    const [value, more] = [html('b'), html('small', { class: 'soft' })];
    const item = html('div', {}, html('dt', {}, term), html('dd', {}, value, ' ', more));
    item.update = ([, words, small]) => {
      text(value, words);
      text(more, small);
    };
    return item;
  });
}

export function showOwn({ gateway }) {
  const fewer = gateway.tickets < gateway.max_in_flight ? `, fewer than ${gateway.max_in_flight}: ${gateway.tickets_because}` : '';
  const limit = gateway.max_lag_ms === null ? 'no limit' : `limit ${time(gateway.max_lag_ms)}`;
  definitions(byId('own'), [
    ['Pages in flight', count(gateway.in_flight, 'page'), `of ${count(gateway.tickets, 'ticket')}${fewer}`],
    ['Lag, p50', time(gateway.lag_p50_ms), 'how long what could run waited to run'],
    ['Lag, p90', time(gateway.lag_p90_ms), limit],
    ['Consoles open', String(gateway.viewers), ''],
  ]);
}

export function showChanges({ changes }) {
  set(byId('changes-none'), 'hidden', changes.length > 0 ? '' : null);
  each(byId('changes'), changes, (change) => `${change.at_ms} ${change.trigger} ${change.keys}`, (change) => {
    const item = html('li', { class: change.outcome === 'refused' ? 'refused' : '' },
      html('time', { datetime: new Date(change.at_ms).toISOString() }, clock(change.at_ms)),
      ` ${change.trigger.replace('_', ' ')}, ${change.outcome}`,
      change.keys.length > 0 ? ': ' : '',
      ...change.keys.flatMap((name, nth) => [nth ? ', ' : '', html('code', {}, name)]));
    item.update = () => {};
    return item;
  });
}
