// How this person wants to be told.

import {useEffect, useState} from 'preact/hooks';
import {Field, Trouble, html, useSubmit} from './ui.js';
import {lang, t} from './i18n.js';

const path = '/v1/me/preferences';

export function Preferences({api}) {
  const [now, setNow] = useState(null);
  const load = useSubmit(async () => setNow(await api.get(path)));
  const save = useSubmit(async change => setNow(await api.put(path, {...now, lang: now.lang ?? lang(), ...change})));
  useEffect(() => { load.submit(); }, [api]);
  return html`<details class="preferences">
    <summary>${t('howTold')}</summary>
    <${Trouble} problem=${load.problem ?? save.problem} />
    ${now && html`<fieldset disabled=${save.busy}>
      <legend class="sr">${t('howTold')}</legend>
      ${['sms', 'inbox'].map(channel => html`<label class="check"><input type="checkbox" checked=${now[channel]} onChange=${e => save.submit({[channel]: e.target.checked})} /> ${t(`channel.${channel}`)}</label>`)}
      <${Field} label=${t('noticeLang')}>
        <select value=${now.lang ?? ''} onChange=${e => save.submit({lang: e.target.value})}>
          ${now.lang === null && html`<option value="" disabled>–</option>`}
          <option value="zh" lang="zh">中文</option>
          <option value="en" lang="en">English</option>
        </select>
      <//>
    </fieldset>`}
  </details>`;
}
