// A flow's stages as a line of steps: what each job's state is, how often it
// was tried, and what went wrong last.

import {Pill, html} from './ui.js';
import {clock} from './format.js';
import {t} from './i18n.js';
import {now} from './time.js';

// Flow shows the stages; its cause too, unless that says nothing new.
export function Flow({flow, reason}) {
  const news = flow.cause && flow.cause !== reason && flow.cause !== flow.state;
  const main = flow.stages.filter(s => s.branch !== 'catch');
  const rescue = flow.stages.filter(s => s.branch === 'catch' && s.state !== 'skipped');
  return html`<section>
    <h3>${t('flow')} <${Pill} of="flow" state=${flow.state} /></h3>
    ${news && html`<p class="muted cause">${t('because', t(`reason.${flow.cause}`))}</p>`}
    <${Stages} stages=${main} />
    ${rescue.length > 0 && html`<p class="orelse">${t('orElse')}</p><${Stages} stages=${rescue} />`}
    <p class="sentence"><code>${flow.text}</code></p>
  </section>`;
}

function Stages({stages}) {
  return html`<ol class="steps">${stages.map(stage => html`
    <li class="is-${stage.state}">
      ${stage.jobs.length > 1 && html`<small class="muted">${t('together')}</small>`}
      ${stage.jobs.map(job => html`<${Job} job=${job} />`)}
    </li>`)}</ol>`;
}

function Job({job}) {
  const later = job.state === 'ready' && job.due_at && new Date(job.due_at) > now();
  const facts = [
    t(`job.${job.state}`),
    job.attempts > 0 && t('attempts', job.attempts),
    later && t('again', clock(job.due_at, true)),
  ];
  return html`<div class="job is-${job.state}">
    <code>${job.kind}</code>
    <small>${facts.filter(Boolean).join(' · ')}</small>
    ${job.last_error && html`<small class="error">${job.last_error}</small>`}
  </div>`;
}
