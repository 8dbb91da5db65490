'use strict';
// What the server said last, and what is said about it. All text from outside enters the page by `textContent`.

const get = id => document.getElementById(id);

/** An element with a class, a text and children; text is never read as HTML. */
function element(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside.filter(one => one !== null && one !== undefined && one !== ''));
  return made;
}

/** The look of a verdict, as the picture has it. */
const LOOKS = {
  running: 'running', starting: 'waiting', created: 'waiting', restarting: 'waiting', paused: 'waiting',
  completed: 'plain', missing: 'missing',
};
const look = verdict => LOOKS[verdict] ?? 'stopped';
const isWell = one => one.verdict === 'running' || one.verdict === 'completed';
/** The worse, the higher. */
const RANK = { plain: 0, running: 1, waiting: 2, missing: 3, stopped: 4 };

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

/** The order of names: `slave2` before `slave10`. */
const natural = new Intl.Collator('en', { numeric: true }).compare;

const cluster = {
  name: '', stale: null, nodes: new Map(),
  /** Whether the server answers. */
  linked: false,
  /** When the server was heard last, in milliseconds since 1970. */
  heard: 0,
};

/** The state of a container in a word or two: `running (healthy)`, `exited (137)`. */
function stateOf(one) {
  if (one.leaving) return 'stopping';
  const ended = one.state === 'exited' || one.state === 'restarting';
  if (one.verdict === 'completed') return 'completed';
  if (ended && one.exit !== null) return `${one.state} (${one.exit})`;
  if (one.state === 'running' && !isWell(one)) return one.verdict;
  return one.state;
}

const lookOf = one => one.leaving && isWell(one) ? 'waiting' : look(one.verdict);

/** A pill that shows a state in its colour. */
const pill = (text, kind) => element('span', `pill ${kind}`, text);

/** The worst look of a node's containers. */
const worst = node => node.instances.map(lookOf).reduce((a, b) => RANK[b] > RANK[a] ? b : a, 'plain');

/** `443`, `53/udp`, and `8080→80` where the host publishes it. At which of its addresses is among the details. */
function portsOf(one) {
  const published = one.published.map(p => `${p.host.port}→${p.port}${p.host.udp ? '/udp' : ''}`);
  const hidden = one.exposed.filter(e => !one.published.some(p => p.port === e.port));
  return [...new Set([...published, ...hidden.map(e => e.port + (e.protocol === 'tcp' ? '' : '/' + e.protocol))])];
}

const addressesOf = one => one.addresses.map(a => a.address).filter(Boolean);

/** How long ago `time` was, in one unit. */
function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min']];
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, 's'];
  return `${Math.floor(seconds / size)} ${unit}`;
}

const clock = time => new Date(time).toLocaleTimeString([], { hour12: false });

/** An element that says how long ago `since` was, and is kept up to date. */
function sinceElement(since) {
  if (!since) return '';
  const made = element('time', '');
  made.dateTime = since;
  made.title = new Date(since).toLocaleString();
  made.textContent = ago(Date.parse(since));
  return made;
}

/** Says something to people who listen rather than look. */
const say = text => { get('said').textContent = text; };

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Outside of a secure context only what is selected can be copied.
    const field = element('textarea', 'unseen');
    field.value = text;
    button.after(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    button.focus();
  }
  button.classList.add('copied');
  say(`copied ${text}`);
  setTimeout(() => button.classList.remove('copied'), 1500);
}

/** A button that copies its text. */
function copyButton(text) {
  const made = element('button', 'copy', text);
  made.type = 'button';
  made.title = `Copy ${text}`;
  made.addEventListener('click', event => {
    event.stopPropagation();
    copy(text, made);
  });
  return made;
}

/** Moves the focus among `all` by the keys of `event`; returns whether it has done so. */
function rove(event, all) {
  const at = all.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const to = { Home: 0, End: all.length - 1 }[event.key] ?? (step && at + step);
  if (at < 0 || to === undefined || !all[to]) return false;
  event.preventDefault();
  all[to].focus();
  return true;
}
