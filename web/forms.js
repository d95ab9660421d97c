// The two forms: ordering seats and offering them.

import {useEffect, useRef, useState} from 'preact/hooks';
import {Field, Trouble, html, onSubmit, useSubmit} from './ui.js';
import {coordinates, distance, fromInput, minutes, money, parsePlace} from './format.js';
import {t} from './i18n.js';

// useDraft holds the two places of a form and which of them a click on the map
// sets next.
export function useDraft() {
  const blank = {origin: {text: '', name: ''}, destination: {text: '', name: ''}, next: 'origin'};
  const [draft, setDraft] = useState(blank);
  const set = (end, change) => setDraft(old => ({...old, [end]: {...old[end], ...change}}));
  const aim = end => setDraft(old => ({...old, next: end}));
  const pick = point => setDraft(old => ({
    ...old,
    [old.next]: {text: coordinates(point), name: ''},
    next: 'destination',
  }));
  return {...draft, set, aim, pick, clear: () => setDraft(blank)};
}

// placesOf returns the two points of a draft as the API wants them.
export function placesOf(draft) {
  const point = ({text, name}) => {
    const at = parsePlace(text);
    return at && (name.trim() ? {...at, name: name.trim()} : at);
  };
  return {origin: point(draft.origin), destination: point(draft.destination)};
}

// Places are the fields of a draft's places: of both, or of one, with its own label.
export function Places({draft, oneWay, label = t('from')}) {
  return html`
    <${Place} label=${label} end="origin" draft=${draft} />
    ${!oneWay && html`<${Place} label=${t('destination')} end="destination" draft=${draft} />`}`;
}

function Place({label, end, draft}) {
  const input = useRef(null);
  const {text, name} = draft[end];
  useEffect(() => {
    input.current.setCustomValidity(text === '' || parsePlace(text) ? '' : t('pointWrong'));
  });
  return html`<fieldset class=${`place is-${end} ${draft.next === end ? 'next' : ''}`} onFocusIn=${() => draft.aim(end)}>
    <legend>${label}</legend>
    <${Field} label=${html`<span class="sr">${label}: ${t('pointHint')}</span>`}>
      <input ref=${input} required placeholder="31.2304, 121.4737" value=${text} autocomplete="off"
        onInput=${e => draft.set(end, {text: e.target.value})} />
    <//>
    <${Field} label=${html`<span class="sr">${label}: ${t('placeName')}</span>`}>
      <input placeholder=${t('placeName')} maxlength="100" value=${name} autocomplete="off"
        onInput=${e => draft.set(end, {name: e.target.value})} />
    <//>
  </fieldset>`;
}

function Count({label, value, onValue, min, max}) {
  return html`<${Field} label=${label}>
    <input type="number" required min=${min} max=${max} value=${value} onInput=${e => onValue(e.target.value)} />
  <//>`;
}

function When({label, value, onValue}) {
  return html`<${Field} label=${label}>
    <input type="datetime-local" value=${value} onInput=${e => onValue(e.target.value)} />
  <//>`;
}

// OrderForm shows the fare first and orders for it then. A change of places or
// seats asks for a new fare.
export function OrderForm({api, draft, onDone}) {
  const [seats, setSeats] = useState('1');
  const [after, setAfter] = useState('');
  const [before, setBefore] = useState('');
  const [quote, setQuote] = useState(null);
  const wish = {...placesOf(draft), seats: Number(seats)};
  const wished = JSON.stringify(wish);
  const known = quote?.wished === wished ? quote : null;

  const ask = useSubmit(async () => setQuote({...await api.post('/v1/quotes', wish), wished}));
  const order = useSubmit(async () => {
    const times = {depart_after: fromInput(after), arrive_before: fromInput(before)};
    onDone(await api.post('/v1/orders', {...wish, ...times}));
  });
  const busy = ask.busy || order.busy;

  return html`<form onSubmit=${onSubmit(known ? order.submit : ask.submit)}>
    <h2 class="sr">${t('newOrder')}</h2>
    <p class="muted small">${t('pointHint')}</p>
    <${Places} draft=${draft} />
    <${Count} label=${t('seatCount')} value=${seats} onValue=${setSeats} min="1" max="8" />
    <details>
      <summary>${t('times')}</summary>
      <div class="pair">
        <${When} label=${t('departAfter')} value=${after} onValue=${setAfter} />
        <${When} label=${t('arriveBefore')} value=${before} onValue=${setBefore} />
      </div>
    </details>
    ${known && html`<p class="quote" role="status"><strong>${t('fares', money(known.fare_pooled), money(known.fare))}</strong>
      <span class="muted">${t('quoteText', distance(known.distance_metres), minutes(known.duration_seconds))}</span></p>`}
    <${Trouble} problem=${order.problem ?? ask.problem} />
    <button class="wide" disabled=${busy}>${known ? t('orderFor', money(known.fare)) : t('showFare')}</button>
  </form>`;
}

// TripForm offers seats on a trip.
export function TripForm({api, draft, onDone}) {
  const [departs, setDeparts] = useState('');
  const [seats, setSeats] = useState('3');
  const [detour, setDetour] = useState('15');
  const [taxi, setTaxi] = useState(false);
  const offer = useSubmit(async () => {
    const {origin, destination} = placesOf(draft);
    onDone(await api.post('/v1/trips', {
      origin,
      ...(taxi ? {} : {destination, max_detour_minutes: Number(detour)}),
      depart_at: fromInput(departs),
      seats: Number(seats),
    }));
  });
  return html`<form onSubmit=${onSubmit(offer.submit)}>
    <h2 class="sr">${t('newTrip')}</h2>
    <p class="muted small">${t('pointHint')}</p>
    <${Places} draft=${draft} oneWay=${taxi} />
    <label class="check"><input type="checkbox" checked=${taxi} onChange=${e => setTaxi(e.target.checked)} /> ${t('taxi')}</label>
    <${When} label=${t('departAt')} value=${departs} onValue=${setDeparts} />
    <div class="pair">
      <${Count} label=${t('seatCount')} value=${seats} onValue=${setSeats} min="1" max="8" />
      ${!taxi && html`<${Count} label=${t('maxDetour')} value=${detour} onValue=${setDetour} min="0" max="120" />`}
    </div>
    <${Trouble} problem=${offer.problem} />
    <button class="wide" disabled=${offer.busy}>${t('offer')}</button>
  </form>`;
}
