// Ratings: a person's average, and the stars that one side of a ride gives the other.

import {useState} from 'preact/hooks';
import {Trouble, html, onSubmit, useSubmit} from './ui.js';
import {decimal} from './format.js';
import {t} from './i18n.js';
import {now} from './time.js';

const most = 5;
const maxComment = 300;

// Average shows what somebody's ratings come to.
export function Average({of}) {
  if (!of) return html`<span class="muted">${t('notRated')}</span>`;
  return html`<span class="average"><span aria-hidden="true">★</span> ${decimal(of.average)} <span class="muted">${t('ratings', of.count)}</span></span>`;
}

// Rate lets one side of an order rate the other until a time, and shows what it gave.
// onDone is called when that was kept.
export function Rate({api, order, until, given, label, onDone}) {
  if (given) return html`<div class="rating"><b>${label}</b> <${Stars} n=${given.stars} />${given.comment && html`<p class="muted">${given.comment}</p>`}</div>`;
  if (!until || new Date(until) < now()) return null;
  return html`<${Form} ...${{api, order, label, onDone}} />`;
}

function Stars({n}) {
  return html`<span class="stars" role="img" aria-label=${t('stars', n)}>${'★'.repeat(n)}<i>${'★'.repeat(most - n)}</i></span>`;
}

function Form({api, order, label, onDone}) {
  const [stars, setStars] = useState(0);
  const [comment, setComment] = useState('');
  const rate = useSubmit(async () => {
    await api.post(`/v1/orders/${encodeURIComponent(order)}/rating`, {stars, comment});
    await onDone();
  });
  const star = n => html`<label class=${n <= stars ? 'on' : ''}>
    <input class="sr" type="radio" name=${order} value=${n} checked=${n === stars} aria-label=${t('stars', n)} onChange=${() => setStars(n)} />
    <span aria-hidden="true">★</span></label>`;
  return html`<form class="rating" onSubmit=${onSubmit(rate.submit)}>
    <fieldset class="stars"><legend>${label}</legend>${Array.from({length: most}, (_, i) => star(i + 1))}</fieldset>
    ${stars > 0 && html`
      <label class="field"><span>${t('comment')}</span>
        <input maxlength=${maxComment} value=${comment} onInput=${e => setComment(e.target.value)} /></label>
      <button type="submit" disabled=${rate.busy}>${t('rate')}</button>`}
    <${Trouble} problem=${rate.problem} />
  </form>`;
}
