// What every view is made of: the template tag and the small shared elements.

import {h} from 'preact';
import {useState} from 'preact/hooks';
import htm from 'htm';
import {endOf, place} from './format.js';
import {t} from './i18n.js';

export const html = htm.bind(h);

// Pill shows a state as a word on its colour; `of` is the dictionary's section.
export function Pill({of, state}) {
  return html`<span class="pill is-${state}">${t(`${of}.${state}`)}</span>`;
}

// Trouble shows what went wrong, a Problem in the server's own words, or nothing.
export function Trouble({problem}) {
  if (!problem) return null;
  const fields = problem.fields.length > 1 ? problem.fields : [];
  return html`<div class="trouble" role="alert">
    <p>${problem.code === 'unreachable' ? t('unreachable') : problem.message}</p>
    ${fields.length > 0 && html`<ul>${fields.map(f => html`<li><code>${f.field}</code> ${f.detail}</li>`)}</ul>`}
    ${problem.retryAfter > 0 && html`<p>${t('tryAgainIn', problem.retryAfter)}</p>`}
    <small><code>${problem.code}</code></small>
  </div>`;
}

// Field is a labelled control, with a hint under it if there is one.
export function Field({label, hint, children}) {
  return html`<label class="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

// Route shows where something goes from and to.
export function Route({of: {origin, destination}}) {
  return html`<span class="route"><span>${place(origin)}</span><span class="arrow" aria-label=${t('to')}>→</span><span>${endOf(destination)}</span></span>`;
}

// More asks for the next page of a list, while there is one.
export function More({list}) {
  return list.next ? html`<button type="button" class="quiet wide" onClick=${list.more}>${t('more')}</button>` : null;
}

// Empty stands in for a list without entries: loading, or really empty.
export function Empty({list, children}) {
  if (list.items.length > 0 || list.problem) return null;
  return html`<p class="empty">${list.loaded ? children : t('loading')}</p>`;
}

// useSubmit runs an action once at a time and keeps how it ended.
export function useSubmit(action) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const submit = async (...args) => {
    setBusy(true);
    setProblem(null);
    try {
      return await action(...args);
    } catch (err) {
      setProblem(err);
    } finally {
      setBusy(false);
    }
  };
  return {submit, busy, problem, forget: () => setProblem(null)};
}

// onSubmit makes a form's submit handler of fn, without the page's reload.
export const onSubmit = fn => event => {
  event.preventDefault();
  fn();
};
