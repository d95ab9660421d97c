// Trips: the list, and one trip with its plan.

import {useEffect, useMemo, useState} from 'preact/hooks';
import {Empty, More, Pill, Route, Trouble, html} from './ui.js';
import {clock, endOf, minutes, place, short} from './format.js';
import {Driving} from './driving.js';
import {Average, Rate} from './rating.js';
import {coalesce} from './list.js';
import {listen} from './live.js';
import {Told} from './told.js';
import {t} from './i18n.js';

// underWay tells whether a trip still lies ahead or is being driven.
export const underWay = trip => trip.status === 'open' || trip.status === 'departed';

export function Trips({list}) {
  return html`<section>
    <${Trouble} problem=${list.problem} />
    <${Empty} list=${list}>${t('noTrips')}<//>
    <ul class="rows">${list.items.map(trip => html`<li key=${trip.id}><${Row} trip=${trip} /></li>`)}</ul>
    <${More} list=${list} />
  </section>`;
}

function Row({trip}) {
  return html`<a class="row" href="#trips/${trip.id}">
    <span class="line"><${Pill} of="trip" state=${trip.abandoned ? 'abandoned' : trip.status} /><time class="muted" datetime=${trip.depart_at}>${clock(trip.depart_at)}–${clock(trip.arrive_at)}</time></span>
    <${Route} of=${trip} />
    <span class="line small muted"><${Seats} trip=${trip} /></span>
  </a>`;
}

function Seats({trip}) {
  const dots = Array.from({length: trip.seats}, (_, i) => html`<i class=${i < trip.seats - trip.seats_left ? 'taken' : ''}></i>`);
  return html`<span class="seats"><span aria-hidden="true">${dots}</span> ${t('seatsLeft', trip.seats_left, trip.seats)}</span>`;
}

// Trip shows one trip and follows it, and lets its driver drive it. onChange is called
// when it changed, onShow with what to draw on the map, onCar with where its car is.
export function Trip({api, id, version, seesOrders, rates, onChange, onShow, onCar}) {
  const [trip, setTrip] = useState(null);
  const [problem, setProblem] = useState(null);
  const path = `/v1/trips/${encodeURIComponent(id)}`;
  const look = useMemo(() => coalesce(async () => {
    try {
      setTrip(await api.get(path));
      setProblem(null);
    } catch (err) {
      setProblem(err);
    }
  }), [api, path]);

  const over = trip !== null && !underWay(trip);
  useEffect(() => { look(); }, [look, version, over]);
  useEffect(() => {
    if (over) return undefined;
    return listen(api, `${path}/events`, event => {
      if (event.type === 'position') onCar(JSON.parse(event.data));
      else look();
    });
  }, [look, over]);
  useEffect(() => {
    if (!trip) return;
    onShow(trip);
    if (trip.version !== version) onChange();
    if (over) onCar(null);
  }, [trip?.version]);

  return html`<article>
    <a class="back" href="#trips">← ${t('trips')}</a>
    <${Trouble} problem=${problem} />
    ${!trip && !problem && html`<p class="empty">${t('loading')}</p>`}
    ${trip && html`<${Facts} trip=${trip} />`}
    ${trip && !over && html`<${Driving} ...${{api, path, trip}} onDone=${setTrip} />`}
    ${trip?.riders?.length > 0 && html`<${Riders} ...${{api, trip, rates}} onDone=${look} />`}
    ${trip && html`<${Plan} trip=${trip} seesOrders=${seesOrders} />`}
    ${trip && html`<${Told} ...${{api, path, over}} />`}
  </article>`;
}

function Facts({trip}) {
  return html`<div class="card">
    <p class="line"><${Pill} of="trip" state=${trip.status} /><code class="muted">${short(trip.id)}</code></p>
    <h2><${Route} of=${trip} /></h2>
    ${trip.abandoned && html`<p class="note">${t('abandoned')}</p>`}
    <dl>
      <dt>${t('departs')}</dt><dd>${clock(trip.depart_at)}</dd>
      <dt>${t('arrives')}</dt><dd>${clock(trip.arrive_at)}</dd>
      <dt>${t('seatCount')}</dt><dd><${Seats} trip=${trip} /></dd>
      ${trip.destination && html`<dt>${t('detour')}</dt><dd>${t('upTo', minutes(trip.max_detour_minutes * 60))}</dd>`}
    </dl>
  </div>`;
}

// Riders shows who is on the trip, and what others think of them.
function Riders({api, trip, rates, onDone}) {
  return html`<section>
    <h3>${t('riders')}</h3>
    <ul class="riders">${trip.riders.map(rider => html`<li key=${rider.order_id} class="card">
      <p class="line"><span><${Pill} of="order" state=${rider.status} /> <code class="muted">${short(rider.order_id)}</code> <span class="small muted">${t('seats', rider.seats)}</span></span><${Average} of=${rider.rider_rating} /></p>
      ${rates && html`<${Rate} ...${{api, onDone}} order=${rider.order_id} until=${rider.rate_until} given=${rider.rating} label=${t('yourRider')} />`}
    </li>`)}</ul>
  </section>`;
}

function Plan({trip, seesOrders}) {
  const order = stop => (seesOrders ? html`<a href="#orders/${stop.order_id}">${short(stop.order_id)}</a>` : short(stop.order_id));
  return html`<section>
    <h3>${t('plan')}</h3>
    <ol class="steps plan">
      <li class="is-end"><time>${clock(trip.depart_at)}</time> ${t('departs')} · ${place(trip.origin)}</li>
      ${trip.plan.map(stop => html`<li class="is-${stop.kind} is-${stop.state}">
        <time>${clock(stop.at)}</time> ${t(stop.kind)} · ${place(stop)}
        <small class="muted">${stop.state !== 'ahead' && html`<b>${t(`stop.${stop.state}`)}</b> · `}${t('seats', stop.seats)}${stop.order_id && html` · ${t('order')} <code>${order(stop)}</code>`}</small>
      </li>`)}
      <li class="is-end"><time>${clock(trip.arrive_at)}</time> ${t('arrives')} · ${endOf(trip.destination ?? trip.plan.at(-1))}</li>
    </ol>
  </section>`;
}
