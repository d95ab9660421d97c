// Broadcasts, for operators: the form, and how far each one is.

import {useEffect, useState} from 'preact/hooks';
import {Empty, Field, More, Pill, Trouble, html, onSubmit, useSubmit} from './ui.js';
import {clock, coordinates, distance} from './format.js';
import {Places, placesOf} from './forms.js';
import {useList} from './list.js';
import {t} from './i18n.js';

const longest = 300; // characters
const lookEvery = {sending: 1000, over: 15_000}; // ms

export function Broadcasts({api, draft}) {
  const [every, setEvery] = useState(lookEvery.over);
  const list = useList(api, '/v1/broadcasts', every);
  const sending = list.items.some(b => b.state === 'sending' || !b.finished_at);
  useEffect(() => setEvery(sending ? lookEvery.sending : lookEvery.over), [sending]);
  return html`<section>
    <${Form} api=${api} draft=${draft} onDone=${list.refresh} />
    <h3>${t('broadcasts')}</h3>
    <${Trouble} problem=${list.problem} />
    <${Empty} list=${list}>${t('noBroadcasts')}<//>
    <ul class="rows">${list.items.map(b => html`<li key=${b.id}><${Row} api=${api} of=${b} onDone=${list.refresh} /></li>`)}</ul>
    <${More} list=${list} />
  </section>`;
}

// Form asks for a text, a place and how far around it.
function Form({api, draft, onDone}) {
  const [text, setText] = useState('');
  const [radius, setRadius] = useState('3000');
  useEffect(() => { if (draft.origin.radius !== radius) draft.set('origin', {radius}); }, [draft.origin.radius, radius]); // for the map
  useEffect(() => { if (draft.next !== 'origin') draft.aim('origin'); }, [draft.next]); // a click moves the one place
  const send = useSubmit(async () => {
    await api.post('/v1/broadcasts', {text, center: placesOf(draft).origin, radius_metres: Number(radius)});
    setText('');
    draft.clear();
    onDone();
  });
  return html`<form onSubmit=${onSubmit(send.submit)}>
    <${Field} label=${t('broadcastText')} hint=${t('charactersLeft', longest - [...text].length)}>
      <textarea required rows="3" maxlength=${longest} value=${text} onInput=${e => setText(e.target.value)}></textarea>
    <//>
    <${Places} draft=${draft} oneWay label=${t('around')} />
    <${Field} label=${t('radius')}>
      <input type="number" required min="100" max="50000" step="100" value=${radius} onInput=${e => setRadius(e.target.value)} />
    <//>
    <${Trouble} problem=${send.problem} />
    <button class="wide" disabled=${send.busy}>${t('sendBroadcast')}</button>
  </form>`;
}

// Row is one broadcast; while it is being sent, with a bar and a button that ends it.
function Row({api, of: b, onDone}) {
  const cancel = useSubmit(async () => {
    await api.post(`/v1/broadcasts/${b.id}/cancel`);
    onDone();
  });
  const pages = Math.max(b.pages.expected, b.pages.begun);
  const share = b.finished_at ? 1 : (b.pages.done + b.pages.failed) / pages;
  return html`<div class="row">
    <span class="line"><${Pill} of="broadcast" state=${b.state} /><time class="muted" datetime=${b.created_at}>${clock(b.created_at)}</time></span>
    <span class="said">${b.text}</span>
    ${b.state === 'sending' && html`<progress max="1" value=${share} aria-label=${t('progress')}>${Math.round(100 * share)} %</progress>`}
    <span class="line small muted">
      <span>${t('ridersTold', b.told)}${b.pages.failed > 0 && html` · ${t('pagesFailed', b.pages.failed)}`}</span>
      <span>${distance(b.radius_metres)} · ${coordinates(b.center)}</span>
    </span>
    ${b.state === 'sending' && html`<span class="buttons"><button type="button" class="quiet" disabled=${cancel.busy} onClick=${cancel.submit}>${t('stopBroadcast')}</button></span>`}
    <${Trouble} problem=${cancel.problem} />
  </div>`;
}
