// Server-sent events over fetch, because EventSource cannot carry the token.

const longestWait = 15_000; // ms between attempts to connect

// listen calls onEvent with {id, type, data} for each event of the stream and
// onState with true or false as the connection comes and goes. It connects
// again, from the last event on, until the function it returns is called or
// the server refuses.
export function listen(api, path, onEvent, onState = () => {}) {
  const stop = new AbortController();
  let lastID = '';
  let wait = 1000;

  async function run() {
    while (!stop.signal.aborted) {
      try {
        const response = await api.open(path, lastID ? {'Last-Event-ID': lastID} : {}, stop.signal);
        onState(true);
        wait = 1000;
        await read(response.body, event => {
          lastID = event.id || lastID;
          onEvent(event);
        });
      } catch (err) {
        const refused = err.status >= 400 && err.status < 500 && err.status !== 429;
        if (stop.signal.aborted || refused) break;
      }
      onState(false);
      await pause(wait, stop.signal);
      wait = Math.min(wait * 2, longestWait);
    }
    onState(false);
  }

  run();
  return () => stop.abort();
}

async function read(body, onEvent) {
  const feed = parser(onEvent);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    feed(value);
  }
}

// parser returns a function that takes the stream's text in any pieces and
// calls onEvent at the blank line that ends an event with data.
export function parser(onEvent) {
  let rest = '';
  let event = {id: '', type: 'message', data: []};
  const line = text => {
    if (text === '') {
      if (event.data.length > 0) onEvent({...event, data: event.data.join('\n')});
      event = {id: '', type: 'message', data: []};
      return;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(text);
    if (name === 'data') event.data.push(value);
    if (name === 'id') event.id = value;
    if (name === 'event') event.type = value;
  };
  return piece => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    lines.forEach(l => line(l.replace(/\r$/, '')));
  };
}

function pause(ms, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true});
  });
}
