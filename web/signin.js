// Signing in: a phone number, then the code that was sent to it.

import {useEffect, useRef, useState} from 'preact/hooks';
import {Field, Trouble, html, onSubmit, useSubmit} from './ui.js';
import {t} from './i18n.js';

export function SignIn({api, note, onToken}) {
  const [phone, setPhone] = useState('');
  const [code, setCode] = useState('');
  const [role, setRole] = useState('rider');
  const [sent, setSent] = useState(false);
  const number = phone.replace(/[\s()-]/g, '');

  const ask = useSubmit(async () => {
    await api.post('/v1/auth/codes', {phone: number});
    setSent(true);
  });
  const enter = useSubmit(async () => {
    const answer = await api.post('/v1/auth/tokens', {phone: number, code: code.trim(), role});
    onToken(answer.token);
  });
  const another = () => {
    setSent(false);
    setCode('');
    enter.forget();
  };

  return html`<main class="signin">
    <img src="/assets/favicon.svg" alt="" width="48" height="48" />
    <h1>Spotpool <span lang="zh">现货拼车</span></h1>
    <p class="muted">${t('tagline')}</p>
    <div class="card">
      ${note && html`<p class="note" role="status">${note}</p>`}
      ${sent
        ? html`<${CodeForm} ...${{number, code, setCode, role, setRole, enter, another}} />`
        : html`<${PhoneForm} ...${{phone, setPhone, ask}} />`}
    </div>
  </main>`;
}

function PhoneForm({phone, setPhone, ask}) {
  return html`<form onSubmit=${onSubmit(ask.submit)}>
    <${Field} label=${t('phone')} hint=${t('phoneHint')}>
      <input type="tel" name="phone" autocomplete="tel" required value=${phone} onInput=${e => setPhone(e.target.value)} />
    <//>
    <${Trouble} problem=${ask.problem} />
    <button class="wide" disabled=${ask.busy}>${t('sendCode')}</button>
  </form>`;
}

function CodeForm({number, code, setCode, role, setRole, enter, another}) {
  const input = useRef(null);
  useEffect(() => input.current.focus(), []);
  return html`<form onSubmit=${onSubmit(enter.submit)}>
    <p class="note" role="status">${t('codeSent', number)}</p>
    <${Field} label=${t('code')}>
      <input ref=${input} name="code" class="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxlength="6"
        required value=${code} onInput=${e => setCode(e.target.value)} />
    <//>
    <fieldset class="choice">
      <legend>${t('signInAs')}</legend>
      ${[['rider', 'ride'], ['driver', 'drive']].map(([value, word]) => html`
        <label><input type="radio" name="role" value=${value} checked=${role === value} onChange=${() => setRole(value)} /> <span>${t(word)}</span></label>`)}
    </fieldset>
    <${Trouble} problem=${enter.problem} />
    <button class="wide" disabled=${enter.busy}>${t('signIn')}</button>
    <button type="button" class="quiet wide" onClick=${another}>${t('otherPhone')}</button>
  </form>`;
}
