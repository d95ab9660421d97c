// Who was told of what happened to a trip, and who was not.

import {useEffect, useState} from 'preact/hooks';
import {Trouble, html} from './ui.js';
import {clock} from './format.js';
import {t} from './i18n.js';

const lookEvery = 3000; // ms, while somebody is still to be told or more may happen
const lookUntil = 60_000; // ms after the trip is over, for what its end brings

// Told shows an entry for each event. It looks again while the trip goes on, or has
// just ended, or an SMS is to be sent.
export function Told({api, path, over}) {
  const [events, setEvents] = useState([]);
  const [problem, setProblem] = useState(null);
  const waiting = events.some(e => e.waiting > 0);
  useEffect(() => {
    const began = Date.now();
    const look = async () => {
      if (document.hidden) return;
      try {
        setEvents((await api.get(`${path}/notices`)).events);
        setProblem(null);
      } catch (err) {
        setProblem(err);
      }
      if (over && !waiting && Date.now() - began > lookUntil) clearInterval(timer);
    };
    const timer = setInterval(look, lookEvery);
    look();
    return () => clearInterval(timer);
  }, [api, path, over, waiting]);
  if (events.length === 0 && !problem) return null;
  return html`<section class="told">
    <h3>${t('whoWasTold')}</h3>
    <${Trouble} problem=${problem} />
    <ul class="rows">${events.map(e => html`<li key=${e.event} class="row"><${Event} of=${e} /></li>`)}</ul>
  </section>`;
}

function Event({of: e}) {
  const missed = Object.entries(e.not_told);
  return html`
    <span class="line"><b>${t(`event.${e.event}`)}</b><span>${t('toldOf', e.told, e.total)}</span></span>
    <span class="line small muted">
      <span>${[...missed.map(([why, n]) => t('missed', n, t(`missed.${why}`))), ...(e.waiting > 0 ? [t('stillWaiting', e.waiting)] : [])].join(' · ')}</span>
      <span>${e.finished_at && clock(e.finished_at, true)}</span>
    </span>`;
}
