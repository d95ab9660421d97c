// A page-wise list of the API that stays fresh while someone looks at it.

import {useEffect, useMemo, useState} from 'preact/hooks';

const pageSize = 50;
const most = 500; // entries kept; beyond that the list starts over

const nothing = {items: [], next: null, deep: false, problem: null, loaded: false};

// useList loads the newest entries of `path`, again every `everyMs` while the
// page is visible and whenever refresh is called. more loads the next page.
// Without a path the list stays empty. Ids rise with time, so newest first is
// largest id first.
export function useList(api, path, everyMs) {
  const [list, setList] = useState(nothing);

  const refresh = useMemo(() => coalesce(async () => {
    if (!path) return;
    try {
      const page = await api.get(pathOf(path));
      setList(old => keepSame(old, old.deep ? merge(old, page) : firstOf(page)));
    } catch (problem) {
      setList(old => ({...old, problem}));
    }
  }), [api, path]);

  const more = async () => {
    try {
      const page = await api.get(pathOf(path, list.next));
      setList(old => ({...old, items: [...old.items, ...page.items], next: page.next_cursor, deep: true}));
    } catch (problem) {
      setList(old => ({...old, problem}));
    }
  };

  useEffect(() => {
    const look = () => document.hidden || refresh();
    refresh();
    const timer = setInterval(look, everyMs);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [refresh, everyMs]);

  return {...list, loaded: list.loaded || !path, refresh, more};
}

function pathOf(path, cursor) {
  const url = new URL(path, location.origin);
  url.searchParams.set('limit', pageSize);
  if (cursor) url.searchParams.set('cursor', cursor);
  return url.pathname + url.search;
}

const firstOf = page => ({...nothing, items: page.items, next: page.next_cursor, loaded: true});

// merge puts a new first page before the older entries already loaded. When
// the two no longer meet, or grew too long, only the first page stays.
export function merge(old, page) {
  const fresh = new Set(page.items.map(item => item.id));
  const meets = old.items.some(item => fresh.has(item.id));
  if (!meets || old.items.length > most) return firstOf(page);
  const last = page.items.at(-1).id;
  const older = old.items.filter(item => item.id < last);
  return {...old, items: [...page.items, ...older], problem: null};
}

// keepSame returns the old items where nothing changed, so that nothing is
// drawn again.
function keepSame(old, list) {
  const same = JSON.stringify(old.items) === JSON.stringify(list.items);
  return same ? {...list, items: old.items} : list;
}

// coalesce returns a function that runs `work` at most once at a time; calls
// in the meantime are answered by one more run at the end.
export function coalesce(work) {
  let running = false;
  let again = false;
  return async function run() {
    again = running;
    if (running) return;
    running = true;
    try {
      await work();
    } finally {
      running = false;
      if (again) run();
    }
  };
}
