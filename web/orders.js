// Orders: the list, and one order with its flow.

import {useEffect, useMemo, useState} from 'preact/hooks';
import {Empty, More, Pill, Route, Trouble, html, useSubmit} from './ui.js';
import {between, clock, money, short} from './format.js';
import {Flow} from './flow.js';
import {Average, Rate} from './rating.js';
import {coalesce} from './list.js';
import {listen} from './live.js';
import {t} from './i18n.js';

const ended = ['completed', 'no_show', 'cancelled', 'expired'];
const inTheCar = ['confirmed', 'riding']; // or on the way there
const cancellable = ['matching', 'matched', 'confirmed'];
const lookEvery = 3000; // ms between looks at an order under way, beside its events

// active tells whether something can still happen to an order.
export const active = order => !ended.includes(order.status);

export function Orders({list}) {
  return html`<section>
    <${Trouble} problem=${list.problem} />
    <${Empty} list=${list}>${t('noOrders')}<//>
    <ul class="rows">${list.items.map(order => html`<li key=${order.id}><${Row} order=${order} /></li>`)}</ul>
    <${More} list=${list} />
  </section>`;
}

function Row({order}) {
  return html`<a class="row" href="#orders/${order.id}">
    <span class="line"><${Pill} of="order" state=${order.status} /><time class="small muted" datetime=${order.created_at}>${clock(order.created_at)}</time></span>
    <${Route} of=${order} />
    <span class="line small muted">
      <span>${t('seats', order.seats)} · ${money(order.charged ?? order.fare)} ${t(`payment.${order.payment}`)}</span>
      ${order.pickup_at && html`<span>${t('pickup')} ${clock(order.pickup_at)}</span>`}
    </span>
  </a>`;
}

// Order shows one order and follows it until it has ended. onChange is called
// when it changed, onShow with what to draw on the map, onCar with where its car is.
export function Order({api, id, seesTrips, rates, onChange, onShow, onCar}) {
  const [order, setOrder] = useState(null);
  const [problem, setProblem] = useState(null);

  const look = useMemo(() => coalesce(async () => {
    try {
      const found = await api.get(`/v1/orders/${encodeURIComponent(id)}`);
      setOrder(found);
      setProblem(null);
    } catch (err) {
      setProblem(err);
    }
  }), [api, id]);

  const over = order !== null && !active(order) && order.flow?.state !== 'running';
  useEffect(() => { look(); }, [look]);
  useEffect(() => {
    if (over) return undefined;
    const stop = listen(api, `/v1/orders/${encodeURIComponent(id)}/events`, event => {
      if (event.type === 'position') onCar(JSON.parse(event.data));
      else look();
    });
    const timer = setInterval(() => document.hidden || look(), lookEvery);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [look, over]);
  useEffect(() => {
    onShow(order);
    if (order) onChange();
    if (order && !inTheCar.includes(order.status)) onCar(null);
  }, [order?.status, order?.id]);

  return html`<article>
    <a class="back" href="#orders">← ${t('orders')}</a>
    <${Trouble} problem=${problem} />
    ${!order && !problem && html`<p class="empty">${t('loading')}</p>`}
    ${order && html`<${Facts} order=${order} seesTrips=${seesTrips} />`}
    ${order && rates && html`<${Rate} ...${{api}} order=${order.id} until=${order.rate_until} given=${order.ratings?.find(r => r.by === 'rider')} label=${t('yourDriver')} onDone=${look} />`}
    ${order && cancellable.includes(order.status) && html`<${Cancel} api=${api} order=${order} onDone=${look} />`}
    ${order?.flow && html`<${Flow} flow=${order.flow} reason=${order.reason} />`}
  </article>`;
}

function Facts({order, seesTrips}) {
  const trip = order.trip_id && (seesTrips ? html`<a href="#trips/${order.trip_id}">${short(order.trip_id)}</a>` : short(order.trip_id));
  return html`<div class="card">
    <p class="line"><${Pill} of="order" state=${order.status} /><code class="muted">${short(order.id)}</code></p>
    <h2><${Route} of=${order} /></h2>
    ${order.driver_here_since && html`<p class="note" role="status">${t('driverHere', clock(order.driver_here_since))}</p>`}
    ${order.reason && html`<p class="muted">${t('because', t(`reason.${order.reason}`))}</p>`}
    <dl>
      <dt>${t('pickup')}</dt><dd>${clock(order.pickup_at)}</dd>
      <dt>${t('dropoff')}</dt><dd>${clock(order.dropoff_at)}</dd>
      <dt>${t('fare')}</dt><dd>${t('fares', money(order.fare_pooled), money(order.fare))} · ${t('seats', order.seats)} · ${t(`payment.${order.payment}`)}</dd>
      ${order.charged && html`<dt>${t('charged')}</dt><dd>${money(order.charged)}</dd>`}
      ${order.trip_id && html`<dt>${t('driver')}</dt><dd><${Average} of=${order.driver_rating} /></dd>`}
      ${trip && html`<dt>${t('trip')}</dt><dd><code>${trip}</code></dd>`}
      ${order.depart_after && html`<dt>${t('window')}</dt><dd>${clock(order.depart_after)}–${clock(order.arrive_before)}</dd>`}
      <dt>${t('orderedAt')}</dt>
      <dd>${clock(order.created_at, true)}${order.confirmed_at && html`, ${t('confirmedIn', between(order.created_at, order.confirmed_at))}`}</dd>
    </dl>
  </div>`;
}

function Cancel({api, order, onDone}) {
  const [asked, setAsked] = useState(false);
  const cancel = useSubmit(async () => {
    await api.post(`/v1/orders/${encodeURIComponent(order.id)}/cancel`);
    setAsked(false);
    await onDone();
  });
  if (!asked) return html`<button type="button" class="quiet danger" onClick=${() => setAsked(true)}>${t('cancelOrder')}</button>`;
  return html`<div class="ask" role="group" aria-label=${t('cancelOrder')}>
    <p>${t('reallyCancel')}${order.cancel_fee.amount > 0 && html` <strong>${t('cancelCosts', money(order.cancel_fee))}</strong>`}</p>
    <${Trouble} problem=${cancel.problem} />
    <div class="buttons">
      <button type="button" class="danger" disabled=${cancel.busy} onClick=${cancel.submit}>${t('yesCancel')}</button>
      <button type="button" class="quiet" onClick=${() => setAsked(false)}>${t('keep')}</button>
    </div>
  </div>`;
}
