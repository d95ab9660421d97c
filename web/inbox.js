// The inbox: what the program told this person, newest first.

import {Empty, More, Trouble, html} from './ui.js';
import {clock} from './format.js';
import {Preferences} from './preferences.js';
import {t} from './i18n.js';

export function Inbox({api, list, seesOrders}) {
  return html`<section>
    <${Preferences} api=${api} />
    <${Trouble} problem=${list.problem} />
    <${Empty} list=${list}>${t('noNotices')}<//>
    <ul class="rows">${list.items.map(notice => html`<li key=${notice.id}><${Notice} notice=${notice} seesOrders=${seesOrders} /></li>`)}</ul>
    <${More} list=${list} />
  </section>`;
}

// A notice links to its order, if it is about one of this person's.
function Notice({notice, seesOrders}) {
  const body = html`<span>${notice.text}</span><time class="small muted" datetime=${notice.created_at}>${clock(notice.created_at)}</time>`;
  return seesOrders && notice.order_id
    ? html`<a class="row" href="#orders/${notice.order_id}">${body}</a>`
    : html`<div class="row">${body}</div>`;
}
