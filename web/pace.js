// How fast time runs, for whoever wonders why the cars do.

import {useEffect, useState} from 'preact/hooks';
import {html} from './ui.js';
import {clock} from './format.js';
import {t} from './i18n.js';
import {follow, now, pace} from './time.js';

// Pace shows what time it is and how fast it runs, nothing where that is as ever.
export function Pace() {
  const [, setDrawn] = useState(0);
  useEffect(() => {
    const draw = () => setDrawn(n => n + 1);
    const timer = setInterval(draw, 1000);
    const stop = follow(draw);
    return () => {
      clearInterval(timer);
      stop();
    };
  }, []);
  if (pace() === 1) return null;
  return html`<span class="pill pace" title=${t('paceText', pace())}>${clock(now())} · ${pace()}×</span>`;
}
