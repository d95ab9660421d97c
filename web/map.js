// The map: trips as lines, orders as dots, on a plain grid of latitude and
// longitude, so that it needs no tile server.

import {useEffect, useRef} from 'preact/hooks';
import {html} from './ui.js';
import {clock, endOf, place} from './format.js';
import {placesOf} from './forms.js';
import {active} from './orders.js';
import {toCome} from './driving.js';
import {underWay} from './trips.js';
import {t} from './i18n.js';

const L = window.L;
const start = [31.23, 121.47];
const startZoom = 11;

// MapView draws the lists faintly, fitted into view once they are ready, and `shown` ({kind, item}) clearly, with its `car` where one is known. While `draft`
// is given, clicks set its places instead of opening what lies there.
export function MapView({orders, trips, ready, shown, car, draft}) {
  const box = useRef(null);
  const map = useRef(null);
  const picking = useRef(null);
  picking.current = draft;

  useEffect(() => {
    map.current = build(box.current, point => picking.current?.pick(point));
    return () => map.current.remove();
  }, []);

  const open = hash => () => picking.current || (location.hash = hash);
  useEffect(() => {
    const {all, fitOnce} = map.current;
    all.clearLayers();
    trips.filter(underWay).forEach(trip => tripLine(trip, '').on('click', open(`#trips/${trip.id}`)).addTo(all));
    orders.filter(active).forEach(order => dot(order.origin, `order is-${order.status}`, 6)
      .bindTooltip(`${t(`order.${order.status}`)}: ${label(order)}`)
      .on('click', open(`#orders/${order.id}`)).addTo(all));
    if (ready) fitOnce();
  }, [orders, trips, ready]);

  useEffect(() => {
    const {one, leaflet} = map.current;
    one.clearLayers();
    if (!shown) return;
    draw[shown.kind](shown.item, one);
    leaflet.fitBounds(one.getBounds(), {padding: [48, 48], maxZoom: 14});
  }, [shown]);

  useEffect(() => {
    const {moving} = map.current;
    moving.clearLayers();
    if (shown && car) dot(car, 'car', 10).bindTooltip(t('carAt', clock(car.at, true))).addTo(moving);
  }, [shown, car]);

  const places = draft ? placesOf(draft) : {};
  const wanted = draft && !places[draft.next];
  useEffect(() => {
    const {ends} = map.current;
    const {origin, destination} = places;
    ends.clearLayers();
    if (origin && destination) line([origin, destination], 'wish').addTo(ends);
    const radius = Number(draft?.origin.radius);
    if (origin && radius > 0) L.circle(origin, {radius, className: 'wish area', interactive: false}).addTo(ends);
    if (origin) dot(origin, 'from', 9).bindTooltip(t('from')).addTo(ends);
    if (destination) dot(destination, 'dest', 9).bindTooltip(t('destination')).addTo(ends);
  }, [JSON.stringify(places), draft?.origin.radius]);

  return html`<div class=${`map ${draft ? 'picking' : ''} ${shown ? 'focused' : ''}`} role="region" aria-label=${t('map')}>
    <div class="canvas" ref=${box}></div>
    ${wanted && html`<p class="hint">${draft.origin.radius ? t('pickAround') : draft.next === 'origin' ? t('pickFrom') : t('pickTo')}</p>`}
    <p class="legend small">
      ${['matching', 'matched', 'confirmed'].map(state => html`<span><i class="is-${state}"></i>${t(`order.${state}`)}</span>`)}
      <span><i class="line"></i>${t('trip')}</span>
      ${shown && car && html`<span><i class="car"></i>${t('car')}</span>`}
    </p>
  </div>`;
}

function build(element, onClick) {
  const leaflet = L.map(element, {zoomControl: false, attributionControl: false, minZoom: 3, maxZoom: 17, fadeAnimation: false, zoomAnimation: false}).setView(start, startZoom);
  L.control.zoom({position: 'topright'}).addTo(leaflet);
  L.control.scale({position: 'bottomright', imperial: false}).addTo(leaflet);
  grid().addTo(leaflet);
  leaflet.on('click', event => onClick(event.latlng.wrap()));
  const [all, one, ends, moving] = [1, 2, 3, 4].map(() => L.featureGroup().addTo(leaflet));
  const resized = new ResizeObserver(() => leaflet.invalidateSize());
  resized.observe(element);
  const remove = () => {
    resized.disconnect();
    leaflet.remove();
  };

  let fitted = false;
  const fitOnce = () => {
    if (fitted || all.getLayers().length === 0) return;
    fitted = true;
    leaflet.fitBounds(all.getBounds(), {padding: [24, 24], maxZoom: 14});
  };
  return {leaflet, all, one, ends, moving, fitOnce, remove};
}

// grid stands in for map tiles: empty squares that name their corner.
function grid() {
  const Grid = L.GridLayer.extend({
    createTile(coords) {
      const tile = L.DomUtil.create('div', 'tile');
      const corner = this._map.unproject(coords.scaleBy(this.getTileSize()), coords.z);
      tile.textContent = `${corner.lat.toFixed(3)}, ${L.Util.wrapNum(corner.lng, [-180, 180], true).toFixed(3)}`;
      return tile;
    },
  });
  return new Grid();
}

const draw = {
  trips(trip, group) {
    tripLine(trip, 'chosen').addTo(group);
    trip.plan.filter(toCome).forEach(stop => dot(stop, stop.kind, 6).bindTooltip(`${clock(stop.at)} ${t(stop.kind)} ${place(stop)}`).addTo(group));
    dot(trip.origin, 'from', 8).bindTooltip(place(trip.origin)).addTo(group);
    if (trip.destination) dot(trip.destination, 'dest', 8).bindTooltip(place(trip.destination)).addTo(group);
  },
  orders(order, group) {
    line([order.origin, order.destination], 'wish').addTo(group);
    dot(order.origin, 'from', 8).bindTooltip(place(order.origin)).addTo(group);
    dot(order.destination, 'dest', 8).bindTooltip(place(order.destination)).addTo(group);
  },
};

const label = item => `${place(item.origin)} → ${endOf(item.destination)}`;

const line = (points, className) => L.polyline(points, {className, interactive: false});

function tripLine(trip, className) {
  const points = [trip.origin, ...trip.plan, trip.destination ?? []].flat();
  return L.polyline(points, {className: `trip ${className}`}).bindTooltip(label(trip), {sticky: true});
}

const dot = (point, className, radius) => L.circleMarker(point, {className: `dot ${className}`, radius, fillOpacity: 1});
