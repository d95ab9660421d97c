// Driving a trip: the buttons of its driver, from the seats on offer to the last drop-off.

import {useEffect, useRef, useState} from 'preact/hooks';
import {Trouble, html, onSubmit, useSubmit} from './ui.js';
import {clock, place} from './format.js';
import {t} from './i18n.js';
import {now, pace} from './time.js';

const maxSeats = 8;
const sayEvery = 5000; // ms between two positions that are sent

// toCome tells whether a stop is still to be made.
export const toCome = stop => stop.state === 'ahead' || stop.state === 'reached';

// Driving shows what can be done with a trip now. onDone is called with the trip as
// it is after that.
export function Driving({api, path, trip, onDone}) {
  const act = useSubmit(async (what, stop) => {
    const now = await api.post(`${path}/${what}`);
    onDone({...now, riders: trip.riders});
    if (stop && now.status === 'departed') {
      await api.post(`${path}/position`, {lat: stop.lat, lng: stop.lng}).catch(() => {}); // the next one will do
    }
  });
  const button = (what, label, {stop, quiet, disabled} = {}) => html`
    <button type="button" class=${quiet ? 'quiet' : ''} disabled=${act.busy || disabled} onClick=${() => act.submit(what, stop)}>${label}</button>`;
  const next = trip.plan.find(toCome);

  return html`<section class="driving">
    <h3>${t('driving')}</h3>
    <${Trouble} problem=${act.problem} />
    ${trip.status === 'open' && html`<div class="buttons">${button('depart', t('setOut'))}</div>`}
    ${trip.status === 'open' && html`<${SeatsForm} ...${{api, path, trip, onDone}} />`}
    ${trip.status === 'departed' && next && html`<${Stop} key=${next.number} stop=${next} button=${button} />`}
    ${trip.status === 'departed' && !next && html`<div class="buttons">${button('complete', t('endTrip'))}</div>`}
    ${trip.status === 'departed' && html`<${Sharing} api=${api} path=${path} />`}
  </section>`;
}

// Stop is the stop whose turn it is.
function Stop({stop, button}) {
  const late = useLater(stop.no_show_from);
  const at = what => `stops/${stop.number}/${what}`;
  return html`<div class="card">
    <p><b>${t(stop.kind)}</b> · ${place(stop)} <span class="muted">${clock(stop.at)}</span></p>
    <div class="buttons">
      ${stop.kind === 'pickup' ? button(at('pick-up'), t('pickedUp'), {stop}) : button(at('drop-off'), t('droppedOff'), {stop})}
      ${stop.state === 'ahead' && button(at('arrive'), t('arrived'), {stop, quiet: true})}
      ${stop.no_show_from && button(at('no-show'), late ? t('noShow') : t('noShowFrom', clock(stop.no_show_from)), {quiet: true, disabled: !late})}
    </div>
  </div>`;
}

// useLater tells whether a time has come, and draws again when it does.
function useLater(time) {
  const [, setDrawn] = useState(0);
  const left = time ? (new Date(time) - now()) / pace() : 0; // ms of this device's
  useEffect(() => {
    if (left <= 0) return undefined;
    const timer = setTimeout(() => setDrawn(n => n + 1), left);
    return () => clearTimeout(timer);
  }, [time]);
  return left <= 0;
}

// SeatsForm changes how many seats are on offer.
function SeatsForm({api, path, trip, onDone}) {
  const [seats, setSeats] = useState(trip.seats);
  useEffect(() => setSeats(trip.seats), [trip.seats]);
  const change = useSubmit(async () => {
    const now = await api.patch(path, {seats: Number(seats)}, trip.version);
    onDone({...now, riders: trip.riders});
  });
  return html`<form class="seatsform" onSubmit=${onSubmit(change.submit)}>
    <label class="field"><span>${t('seatCount')}</span>
      <input type="number" required min=${Math.max(1, trip.seats - trip.seats_left)} max=${maxSeats} value=${seats} onInput=${e => setSeats(e.target.value)} /></label>
    <button type="submit" class="quiet" disabled=${change.busy || Number(seats) === trip.seats}>${t('changeSeats')}</button>
    <${Trouble} problem=${change.problem} />
  </form>`;
}

// Sharing sends where this device is, while it is asked to.
function Sharing({api, path}) {
  const [on, setOn] = useState(false);
  const sent = useRef(0);
  useEffect(() => {
    if (!on) return undefined;
    const watch = navigator.geolocation.watchPosition(({coords}) => {
      if (Date.now() - sent.current < sayEvery) return;
      sent.current = Date.now();
      api.post(`${path}/position`, {lat: coords.latitude, lng: coords.longitude}).catch(() => {}); // the next one will do
    }, () => setOn(false), {enableHighAccuracy: true});
    return () => navigator.geolocation.clearWatch(watch);
  }, [on]);
  if (!navigator.geolocation || !window.isSecureContext) return null;
  return html`<label class="check"><input type="checkbox" checked=${on} onChange=${e => setOn(e.target.checked)} /> ${t('showWhereIAm')}</label>`;
}
