// What happens, and the connection to the server that tells it.

/** The most entries that are kept. */
const ENTRIES = 300;
/** Milliseconds without a word after which the server is asked whether it is there. */
const SILENCE = 20000;

const link = { source: null, timer: 0, named: false };

/** A change in words, and its kind: `well`, `bad`, `wait` or none. */
function inWords(change) {
  switch (change.what) {
    case 'came': return ['created', ''];
    case 'went': return ['removed', ''];
    case 'missing': return ['is missing', 'bad'];
    case 'state': {
      if (change.to === 'running') return [change.from === 'paused' ? 'resumed' : 'started', 'well'];
      if (change.to === 'exited' && change.exit !== undefined) {
        return [`exited with status ${change.exit}`, change.exit === 0 ? '' : 'bad'];
      }
      return [change.to, change.to === 'paused' || change.to === 'restarting' ? 'wait' : 'bad'];
    }
    case 'health':
      if (change.to === 'healthy') return ['is healthy', 'well'];
      return change.to === 'unhealthy' ? ['is unhealthy', 'bad'] : change.to ? ['is not healthy yet', 'wait'] : [null, ''];
    case 'leaving': return ['is asked to end', 'wait'];
    case 'addresses': {
      const all = change.to.filter(a => a.address).map(a => `${a.address} on ${a.network}`);
      return [all.length ? `has ${all.join(', ')}` : null, ''];
    }
    case 'stale': return [`the engine is lost: ${change.reason}`, 'bad'];
    case 'fresh': return ['the engine answers again', 'well'];
    // The engine has them for others, too; what matters of them is in the picture.
    case 'networks': return [null, ''];
    default: return ['has changed', ''];
  }
}

function enter(who, what, kind) {
  const time = element('time', '', clock(Date.now()));
  const entry = element('li', '', time, who ? element('span', 'who', who) : '', element('span', `what ${kind}`, what));
  const box = get('stream');
  const isAtTop = box.scrollTop < 8;
  const height = box.scrollHeight;
  box.prepend(entry);
  while (box.children.length > ENTRIES) box.lastChild.remove();
  // Whoever has scrolled down reads on.
  if (!isAtTop) box.scrollTop += box.scrollHeight - height;
}

function take(nodes, removed, isNew) {
  for (const name of removed) {
    cluster.nodes.delete(name);
    table.rows.get(name)?.forEach(row => row.remove());
    table.rows.delete(name);
    table.tiles.get(name)?.remove();
    table.tiles.delete(name);
  }
  for (const node of nodes) {
    cluster.nodes.set(node.node, node);
    drawNode(node, isNew);
  }
  drawCounts();
  arrangeTiles();
  arrange();
  if (removed.includes(details.node) || nodes.some(node => node.node === details.node)) drawDetails();
  openNamed();
  fetchPicture();
}

function snapshot(data) {
  const all = JSON.parse(data);
  cluster.name = all.cluster;
  cluster.stale = all.stale;
  get('cluster').textContent = all.cluster;
  const names = new Set(all.nodes.map(node => node.node));
  const gone = [...cluster.nodes.keys()].filter(name => !names.has(name));
  const old = cluster.nodes;
  // What is as it was is not drawn again.
  const same = node => JSON.stringify({ ...old.get(node.node), text: undefined }) === JSON.stringify(node);
  take(all.nodes.filter(node => !same(node)), gone, true);
  enter('', `${plural(all.nodes.length, 'node')} of ${all.cluster}`, '');
  heard();
}

function change(data) {
  const all = JSON.parse(data);
  const wasStale = cluster.stale !== null;
  cluster.stale = all.stale;
  take(all.nodes, all.removed, false);
  for (const one of all.changes) {
    const [text, kind] = inWords(one);
    // Another reason is no other loss.
    const isKnown = one.what === 'stale' && wasStale;
    if (text && !isKnown) enter(one.node ? `${one.node}/${one.service}` : '', text, kind);
  }
  heard();
}

function heard() {
  cluster.linked = true;
  cluster.heard = Date.now();
  drawLink();
}

function lost() {
  if (cluster.linked) enter('', 'topogen does not answer', 'bad');
  cluster.linked = false;
  drawLink();
}

function drawLink() {
  const { stale, linked } = cluster;
  const is = !linked ? ['lost', cluster.heard ? 'not connected' : 'connecting'] : stale ? ['lost', 'stale'] : ['live', 'live'];
  get('link').className = `link ${is[0]}`;
  if (get('link').textContent !== is[1]) get('link').textContent = is[1];
  const banner = get('stale');
  const isStale = Boolean(stale) || (!linked && cluster.heard > 0);
  document.body.classList.toggle('is-stale', isStale);
  banner.hidden = !isStale;
  if (!isStale) return;
  const since = linked || stale ? Date.parse(stale.since) : cluster.heard;
  const why = linked ? `the engine is lost (${stale.reason})` : 'topogen does not answer; trying again';
  const text = `As of ${clock(since)}: ${why}`;
  if (banner.textContent !== text) banner.textContent = text;
}

function connect() {
  clearTimeout(link.timer);
  link.source?.close();
  const source = new EventSource('/v1/events');
  link.source = source;
  const safely = take => event => {
    if (link.source === source) take(event.data);
  };
  source.addEventListener('snapshot', safely(snapshot));
  source.addEventListener('change', safely(change));
  source.addEventListener('bye', safely(() => {
    lost();
    retry();
  }));
  source.addEventListener('error', () => {
    if (link.source !== source) return;
    lost();
    // A browser tries again by itself unless the answer was no stream.
    if (source.readyState === EventSource.CLOSED) retry();
  });
}

function retry() {
  clearTimeout(link.timer);
  link.source?.close();
  link.timer = setTimeout(connect, 1500);
}

/** A connection may be dead without a word, as after a laptop's sleep. */
async function listen() {
  if (!cluster.linked || Date.now() - cluster.heard < SILENCE) return;
  try {
    await fetch('/v1/roster', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(5000) });
    cluster.heard = Date.now();
    if (link.source.readyState !== EventSource.OPEN) connect();
  } catch {
    lost();
    retry();
  }
}

beginTable();
beginPicture();
beginDetails();
addEventListener('hashchange', openNamed);
setInterval(listen, 5000);
fetchPicture();
connect();
