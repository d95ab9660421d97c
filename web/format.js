// Values as a person reads them, in the page's language.

import {lang, t} from './i18n.js';
import {now} from './time.js';

const locale = () => (lang() === 'zh' ? 'zh-CN' : 'en-GB');

// clock is the time of day, with the date unless it is today.
export function clock(time, seconds = false) {
  if (!time) return '–';
  const at = new Date(time);
  const today = at.toDateString() === new Date(now()).toDateString();
  return at.toLocaleString(locale(), {
    ...(today ? {} : {day: 'numeric', month: 'short'}),
    hour: '2-digit', minute: '2-digit', ...(seconds ? {second: '2-digit'} : {}),
  });
}

// money shows an amount of minor units.
export function money({amount, currency}) {
  return (amount / 100).toLocaleString(locale(), {style: 'currency', currency, currencyDisplay: 'narrowSymbol'});
}

export const distance = metres => `${(metres / 1000).toLocaleString(locale(), {maximumFractionDigits: 1})} km`;

export const minutes = seconds => t('minutes', Math.max(1, Math.round(seconds / 60)));

// seconds between two times, "0.42 s".
export const between = (from, to) => `${((new Date(to) - new Date(from)) / 1000).toFixed(2)} s`;

// place is its name, else its coordinates.
export const place = p => p.name || coordinates(p);

// endOf is the place where something goes to; a taxi goes anywhere.
export const endOf = destination => (destination ? place(destination) : t('anywhere'));

export const coordinates = p => `${p.lat.toFixed(4)}, ${p.lng.toFixed(4)}`;

// parsePlace reads "31.23, 121.47"; null when it is not a point on the globe.
export function parsePlace(text) {
  const parts = text.split(/[\s,，]+/).filter(Boolean);
  const [lat, lng] = parts.map(Number);
  const good = parts.length === 2 && Math.abs(lat) <= 90 && Math.abs(lng) <= 180;
  return good ? {lat, lng} : null;
}

// fromInput is the value of an <input type="datetime-local"> in UTC, undefined when it is empty.
export const fromInput = text => (text ? new Date(text).toISOString() : undefined);

export const short = id => id.slice(-8);
