// Runs one case, given as JSON in the first argument, and prints its result as
// one line of JSON. Fails unless every job ran exactly once and in its turn.
import { FlowProducer, Queue, Worker } from "bullmq";

const c = JSON.parse(process.argv[2]);
const name = "bench";
const connection = { host: c.host, port: Number(c.port), maxRetriesPerRequest: null };
const now = () => Number(process.hrtime.bigint());
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A tally counts the runs of a group's jobs; see tally.go.
const tallies = Array.from({ length: c.groups }, () => {
  const t = { runs: new Uint32Array(c.size), n: 0 };
  t.full = new Promise((resolve) => (t.fill = resolve));
  return t;
});
let started = 0;
let completed = 0;
let early = null;
let whenSettled = null;

function ran({ group, index }) {
  const t = tallies[group];
  t.runs[index]++;
  t.n++;
  const before = c.kind === "chain" || (c.kind === "batch" && index === c.size - 1) ? index : 0;
  if (t.n <= before) early = `job ${index} of group ${group} ran before its turn`;
  if (t.n === c.size) t.fill();
}

const queue = new Queue(name, { connection });
const flows = new FlowProducer({ connection });
const worker = new Worker(name, async (job) => ran(job.data), { connection, concurrency: c.workers });
worker.on("error", (err) => console.error(err));
worker.on("failed", (_job, err) => console.error(err));
worker.on("completed", () => {
  completed++;
  if (whenSettled && completed >= started) whenSettled();
});

// settled resolves when everything that was started is recorded as finished.
function settled() {
  if (completed >= started) return Promise.resolve();
  return new Promise((resolve) => (whenSettled = resolve));
}

function node(group, index, children) {
  return { name: "job", queueName: name, data: { group, index }, children };
}

async function noops(n) {
  started += n;
  for (let from = 0; from < n; from += c.chunk) {
    const length = Math.min(c.chunk, n - from);
    await queue.addBulk(Array.from({ length }, (_, i) => ({ name: "job", data: { group: 0, index: from + i } })));
  }
}

// flow returns a group as one flow, whose root is the job that runs last.
function flow(group) {
  started += c.size;
  if (c.kind === "chain") {
    let root;
    for (let i = 0; i < c.size; i++) root = node(group, i, root && [root]);
    return root;
  }
  return node(group, c.size - 1, Array.from({ length: c.size - 1 }, (_, i) => node(group, i)));
}

async function start(group) {
  await flows.add(flow(group));
}

async function startInBulk(n) {
  const chunk = Math.floor(c.chunk / c.size);
  for (let from = 0; from < n; from += chunk) {
    await flows.addBulk(Array.from({ length: Math.min(chunk, n - from) }, (_, i) => flow(from + i)));
  }
}

async function allAtOnce() {
  const began = now();
  if (c.kind === "noop") {
    await noops(c.size);
  } else if (c.bulk) {
    await startInBulk(c.groups);
  } else {
    let next = 0;
    const starter = async () => {
      while (next < c.groups) await start(next++);
    };
    await Promise.all(Array.from({ length: c.starters }, starter));
  }
  await Promise.all(tallies.map((t) => t.full));
  await settled();
  return { elapsed: now() - began };
}

async function oneByOne() {
  const began = now();
  const laps = [];
  for (let g = 0; g < c.groups && now() - began < c.budget; g++) {
    await sleep(Math.random() * 50);
    const lap = now();
    await start(g);
    await tallies[g].full;
    laps.push(now() - lap);
    await settled();
  }
  return { elapsed: now() - began, laps };
}

// check fails unless every job that was started ran exactly once, and BullMQ agrees.
async function check(groups) {
  if (early) throw new Error(early);
  for (const [g, t] of tallies.slice(0, groups).entries()) {
    const wrong = t.runs.findIndex((n) => n !== 1);
    if (wrong >= 0) throw new Error(`job ${wrong} of group ${g} ran ${t.runs[wrong]} times`);
  }
  const counts = await queue.getJobCounts();
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  if (counts.completed !== started || total !== started) {
    throw new Error(`of ${started} jobs BullMQ has ${JSON.stringify(counts)}`);
  }
}

await worker.waitUntilReady();
await flows.waitUntilReady();
const result = await (c.oneByOne ? oneByOne() : allAtOnce());
await worker.close();
await check(c.oneByOne ? result.laps.length : c.groups);
await Promise.all([queue.close(), flows.close()]);
console.log(JSON.stringify(result));
