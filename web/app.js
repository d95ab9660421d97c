// The page: who is signed in, which view is open, and the lists they share.

import {render} from 'preact';
import {useEffect, useMemo, useState} from 'preact/hooks';
import {html, Trouble} from './ui.js';
import {client} from './api.js';
import {listen} from './live.js';
import {useList} from './list.js';
import * as session from './session.js';
import {lang, setLang, t} from './i18n.js';
import {SignIn} from './signin.js';
import {Order, Orders} from './orders.js';
import {Trip, Trips} from './trips.js';
import {Inbox} from './inbox.js';
import {Broadcasts} from './broadcasts.js';
import {OrderForm, TripForm, useDraft} from './forms.js';
import {MapView} from './map.js';
import {Pace} from './pace.js';

// What each role may see and do: its views, the first one when the address names none.
const views = {
  rider: ['orders', 'new-order', 'inbox'],
  driver: ['trips', 'new-trip', 'inbox'],
  operator: ['orders', 'trips', 'broadcasts'],
};
const viewNames = {orders: 'orders', trips: 'trips', 'new-order': 'newOrder', 'new-trip': 'newTrip', inbox: 'inbox', broadcasts: 'broadcasts'};

// An operator has no events of all orders, so the lists are looked at often.
const lookEvery = {rider: 15_000, driver: 15_000, operator: 2_000}; // ms

function App() {
  const [who, setWho] = useState(session.current);
  const [ended, setEnded] = useState(false);
  const [, setDrawn] = useState(0);
  const leave = why => {
    session.end();
    setWho(null);
    setEnded(why === 'ended');
  };
  const enter = token => {
    setWho(session.begin(token));
    setEnded(false);
  };
  const switchLang = () => {
    setLang(lang() === 'zh' ? 'en' : 'zh');
    setDrawn(n => n + 1);
  };
  useEffect(() => { document.documentElement.lang = lang(); });
  useEffect(() => {
    const arrived = () => location.hash.startsWith('#token=') && setWho(session.current());
    addEventListener('hashchange', arrived);
    return () => removeEventListener('hashchange', arrived);
  }, []);
  const note = refused() ? t('operatorsOnly') : ended && t('signedOut');
  const guest = useMemo(() => client(null), []);
  const switcher = html`<button type="button" class="quiet" lang=${lang() === 'zh' ? 'en' : 'zh'} onClick=${switchLang}>${t('otherLanguage')}</button>`;

  if (who) return html`<${Home} key=${who.token} who=${who} switcher=${switcher} onLeave=${leave} />`;
  return html`<header class="top guest">${switcher}</header><${SignIn} api=${guest} note=${note} onToken=${enter} />`;
}

function Home({who, switcher, onLeave}) {
  const {role, token} = who;
  const mine = views[role] ?? views.rider;
  const [api] = useState(() => client(token, () => onLeave('ended')));
  const [view, id] = useRoute(mine);
  const every = lookEvery[role] ?? lookEvery.rider;
  const orders = useList(api, mine.includes('orders') && '/v1/orders', every);
  const trips = useList(api, mine.includes('trips') && (role === 'driver' ? '/v1/trips?mine=1' : '/v1/trips'), every);
  const notices = useList(api, mine.includes('inbox') && '/v1/notifications', 60_000);
  const draft = useDraft();
  const [shown, setShown] = useState(null);
  const [car, setCar] = useCar(id);
  const online = useLive(api, () => [notices, orders, trips].forEach(list => list.refresh()));
  const unread = useUnread(notices.items, view === 'inbox');

  const broadcasting = view === 'broadcasts';
  const drafting = view.startsWith('new-') || broadcasting;
  const show = kind => item => setShown(item && {kind, item});
  useEffect(() => { if (!id) setShown(null); }, [view, id]);

  const opened = (list, kind) => item => {
    draft.clear();
    list.refresh();
    location.hash = `#${kind}/${item.id}`;
  };
  const version = trips.items.find(trip => trip.id === id)?.version;

  return html`
    <${Top} ...${{role, online, switcher, onLeave}} />
    <div class="home">
      <main>
        <${Nav} ...${{mine, view, unread}} />
        ${role === 'operator' ? html`<${Operating} api=${api} />` : refused() && html`<p class="note" role="status">${t('operatorsOnly')}</p>`}
        ${view === 'orders' && !id && html`<${Orders} list=${orders} />`}
        ${view === 'orders' && id && html`<${Order} key=${id} ...${{api, id}} seesTrips=${mine.includes('trips')} rates=${role !== 'operator'} onChange=${orders.refresh} onShow=${show('orders')} onCar=${setCar} />`}
        ${view === 'trips' && !id && html`<${Trips} list=${trips} />`}
        ${view === 'trips' && id && html`<${Trip} key=${id} ...${{api, id, version}} seesOrders=${mine.includes('orders')} rates=${role !== 'operator'} onChange=${trips.refresh} onShow=${show('trips')} onCar=${setCar} />`}
        ${view === 'new-order' && html`<${OrderForm} ...${{api, draft}} onDone=${opened(orders, 'orders')} />`}
        ${view === 'new-trip' && html`<${TripForm} ...${{api, draft}} onDone=${opened(trips, 'trips')} />`}
        ${view === 'inbox' && html`<${Inbox} api=${api} list=${notices} seesOrders=${mine.includes('orders')} />`}
        ${broadcasting && html`<${Broadcasts} ...${{api, draft}} />`}
      </main>
      <${MapView} orders=${orders.items} trips=${trips.items} ready=${orders.loaded && trips.loaded} shown=${shown} car=${car} draft=${drafting ? draft : null} />
    </div>
    <p class="sr" role="status">${unread > 0 ? notices.items[0].text : ''}</p>`;
}

function Top({role, online, switcher, onLeave}) {
  return html`<header class="top">
    <a class="brand" href="#"><img src="/assets/favicon.svg" alt="" width="28" height="28" /> Spotpool <span lang="zh">现货拼车</span></a>
    <span class="spring"></span>
    <${Pace} />
    <span class=${`live ${online ? 'on' : ''}`} role="status">${online ? t('live') : t('offline')}</span>
    <span class="pill">${t(`role.${role}`)}</span>
    ${switcher}
    <button type="button" class="quiet" onClick=${onLeave}>${t('signOut')}</button>
  </header>`;
}

function Nav({mine, view, unread}) {
  return html`<nav class="tabs" aria-label=${t('sections')}>${mine.map(name => html`
    <a href="#${name}" aria-current=${name === view ? 'page' : undefined}>${t(viewNames[name])}${name === 'inbox' && unread > 0 && html` <b>${unread}</b>`}</a>`)}
  </nav>`;
}

// Operating links to the operator's tools. The job monitor is a page of its
// own that cannot send the token, so a cookie for it is asked for first.
function Operating({api}) {
  const [problem, setProblem] = useState(null);
  const monitor = async event => {
    event.preventDefault();
    try {
      await api.post('/v1/auth/cookie');
      location.assign('/monitor/');
    } catch (err) {
      setProblem(err);
    }
  };
  return html`<nav class="operating small" aria-label=${t('operating')}>
    <a href="/monitor/" onClick=${monitor}>${t('monitor')}</a>
    <a href="/openapi.yaml" target="_blank">${t('apiText')}</a>
    <a href="/metrics" target="_blank">${t('metrics')}</a>
    <${Trouble} problem=${problem} />
  </nav>`;
}

// refused tells whether the server sent this person here from the job monitor.
const refused = () => location.hash === '#operator';

// useRoute reads "#view/id" from the address; an unknown view is the first one.
function useRoute(mine) {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => {
      setHash(location.hash);
      window.scrollTo(0, 0);
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const [view, id] = hash.slice(1).split('/');
  return mine.includes(view) ? [view, id] : [mine[0], undefined];
}

// useLive follows this person's notices and tells whether the line stands.
function useLive(api, onNotice) {
  const [online, setOnline] = useState(false);
  useEffect(() => listen(api, '/v1/notifications/events', onNotice, setOnline), [api]);
  return online;
}

const carFor = 120_000; // ms that a position is shown which no other one follows

// useCar keeps where the car of what is open is: of one thing, and not for long.
function useCar(id) {
  const [car, setCar] = useState(null);
  useEffect(() => setCar(null), [id]);
  useEffect(() => {
    if (!car) return undefined;
    const timer = setTimeout(() => setCar(null), carFor);
    return () => clearTimeout(timer);
  }, [car]);
  return [car, setCar];
}

// useUnread counts the notices that came since the inbox was last open.
function useUnread(items, reading) {
  const key = 'spotpool.read';
  const newest = items[0]?.id;
  const [read, setRead] = useState(() => localStorage.getItem(key) ?? '');
  useEffect(() => {
    if (!reading || !newest) return;
    localStorage.setItem(key, newest);
    setRead(newest);
  }, [reading, newest]);
  return reading ? 0 : items.filter(notice => notice.id > read).length;
}

render(html`<${App} />`, document.getElementById('app'));
