// One page, opened: what `/pages/{id}` says of it, as a waterfall.

import { ask } from './stream.js';
import { byId, html, text } from './dom.js';

export async function openPage(id) {
  const dialog = byId('page');
  text(byId('page-title'), `Page ${id}`);
  byId('page-body').replaceChildren(html('p', { class: 'soft' }, 'asking the gateway …'));
  if (!dialog.open) dialog.showModal();
  try {
    const answer = await ask(`/pages/${encodeURIComponent(id)}`);
    const words = await answer.text();
    if (!answer.ok) throw new Error(words.trim() || `HTTP ${answer.status}`);
    byId('page-body').replaceChildren(html('pre', {}, words));
  } catch (error) {
    byId('page-body').replaceChildren(html('p', { class: 'bad' }, error.message));
  }
}

byId('page-close').addEventListener('click', () => byId('page').close());
