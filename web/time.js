// The application's time, by which all times of the API are. It may run faster than this
// device's, as in the demo: the server says how fast, and here it goes on from there.

const askEvery = 30_000; // ms

let said = {now: 0, at: 0, speed: 1}; // until the server has said something, this device's

// now is the time in ms since the epoch.
export const now = () => said.now + (Date.now() - said.at) * said.speed;

// pace is how many times as fast as this device's it runs.
export const pace = () => said.speed;

// follow asks the server again and again and calls onNews when it has answered, until the
// function that it returns is called.
export function follow(onNews) {
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await (await fetch('/v1/clock')).json();
      said = {now: Date.parse(answer.now), at: Date.now(), speed: answer.speed};
      onNews();
    } catch {
      // It goes on as it was.
    }
  };
  ask();
  const timer = setInterval(ask, askEvery);
  document.addEventListener('visibilitychange', ask);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', ask);
  };
}
