// What is known of one container, and its last lines.

const details = { node: null, service: null, number: null, from: null, source: null };

/** The most lines that are kept. */
const LINES = 2000;

const chosen = () => {
  const all = cluster.nodes.get(details.node)?.instances.filter(one => one.service === details.service);
  return all?.find(one => one.number === details.number) ?? all?.[0];
};

function openDetails(node, service, number, from) {
  if (details.node === node && details.service === service && details.number === number) {
    get('details-title').focus();
    return;
  }
  closeLogs();
  Object.assign(details, { node, service, number, from: details.from ?? from });
  get('details').hidden = false;
  drawDetails();
  followLogs();
  history.replaceState(null, '', `#${encodeURIComponent(node)}/${encodeURIComponent(service)}`);
  get('details-title').focus();
}

function closeDetails() {
  const { node, service, from } = details;
  closeLogs();
  Object.assign(details, { node: null, service: null, number: null, from: null });
  get('details').hidden = true;
  markChosen();
  history.replaceState(null, '', location.pathname);
  // What it was opened from may have been drawn again since.
  const again = [...document.querySelectorAll('tr.service')].find(r => r.dataset.node === node && r.dataset.service === service);
  const part = partsOf(get('picture')).find(one => keyOf(one) === `${node}/${service}`);
  const isPart = from?.closest?.('svg') !== null && from?.ownerSVGElement;
  const to = from?.isConnected ? from : isPart ? part : again?.querySelector('.open');
  (to ?? get('nodes-title')).focus();
}

function markChosen() {
  for (const one of document.querySelectorAll('.chosen')) one.classList.remove('chosen');
  if (details.node === null) return;
  for (const row of table.rows.get(details.node) ?? []) {
    row.classList.toggle('chosen', row.dataset.service === details.service);
  }
  const part = partsOf(get('picture')).find(one => nodesOf(one).includes(details.node) && one.dataset.service === details.service);
  part?.classList.add('chosen');
}

function drawDetails() {
  if (details.node === null) return;
  const one = chosen();
  get('details-title').textContent = `${details.node} / ${details.service}`;
  get('details-state').replaceChildren(one ? pill(stateOf(one), lookOf(one)) : pill('gone', 'missing'));
  const focused = document.activeElement?.closest('#facts') ? document.activeElement.textContent : null;
  get('facts').replaceChildren(...(one ? factsOf(one) : []));
  if (focused) [...get('facts').querySelectorAll('button')].find(b => b.textContent === focused)?.focus();
  markChosen();
}

function factsOf(one) {
  const facts = [];
  const fact = (name, ...inside) => {
    if (!inside.length) return;
    const value = element('dd', '');
    inside.forEach((part, at) => value.append(...(at ? [element('br')] : []), part));
    facts.push(element('dt', '', name), value);
  };
  if (one.wrong?.length) fact('wrong', ...one.wrong.map(text => element('span', 'wrong', text)));
  if (one.health) fact('health', one.health);
  const since = sinceElement(one.since);
  const verb = one.state === 'running' || one.state === 'paused' ? 'up for' : 'down for';
  if (since) fact(verb, element('span', '', since, ` (since ${new Date(one.since).toLocaleString()})`));
  if (one.restarts) fact('restarts', String(one.restarts));
  for (const a of one.addresses) {
    const line = element('span', '', a.address ? copyButton(a.address) : element('span', 'muted', 'no address'));
    fact(`on ${a.network}`, line, ...(a.names.length ? [names(a.names)] : []));
  }
  const ports = portsOf(one);
  if (ports.length) fact('ports', element('span', 'mono', ports.join('  ')));
  for (const p of one.published) {
    const host = /^(0\.0\.0\.0|::)$/.test(p.host.address) ? location.hostname : p.host.address;
    fact(`port ${p.port} from the host`, copyButton(`${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${p.host.port}`));
  }
  if (one.container) fact('container', copyButton(one.container));
  if (one.image) fact('image', element('span', 'mono', one.image));
  return facts;
}

/** Names that resolve to an address, each to copy. */
function names(all) {
  const made = element('span', 'row');
  for (const name of all) made.append(copyButton(name));
  return made;
}

function closeLogs() {
  details.source?.close();
  details.source = null;
  get('logs').replaceChildren();
  get('logs-state').textContent = '';
}

/** Adds lines, the newest last; whoever has scrolled up is left where they are. */
function addLines(lines) {
  const box = get('logs');
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  box.append(...lines);
  while (box.children.length > LINES) box.firstChild.remove();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

/** Control sequences of terminals are left out (ECMA-48). */
const plainText = text => text.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]/g, '').replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');

function logLine(data) {
  let line = { line: data };
  try {
    line = JSON.parse(data);
  } catch {
    // It is shown as it came.
  }
  const isOne = (cluster.nodes.get(details.node)?.instances.filter(one => one.service === details.service).length ?? 0) < 2;
  const whose = isOne || !line.container ? '' : element('span', 'muted', `${line.container} `);
  const text = plainText(line.line ?? '') + (line.cut ? ' …' : '');
  const made = element('div', line.stream === 'stderr' ? 'stderr' : '', whose, text);
  if (line.time) made.title = new Date(line.time).toLocaleString();
  return made;
}

function followLogs() {
  const one = chosen();
  if (!one || one.state === 'missing') {
    get('logs-state').textContent = 'it does not exist';
    return;
  }
  const path = [details.node, details.service].map(encodeURIComponent).join('/');
  const source = new EventSource(`/v1/logs/${path}?tail=200&follow`);
  details.source = source;
  let waiting = [];
  const take = event => {
    // Lines that come at once are drawn at once.
    if (!waiting.length) {
      requestAnimationFrame(() => {
        if (details.source === source) addLines(waiting);
        waiting = [];
      });
    }
    waiting.push(logLine(event.data));
  };
  get('logs-state').textContent = 'reading';
  source.addEventListener('open', () => { get('logs-state').textContent = 'as they come'; });
  // When it comes again, the browser says which line it had last.
  source.addEventListener('line', take);
  source.addEventListener('failed', event => {
    addLines([element('div', 'note', `its lines cannot be read: ${JSON.parse(event.data).error}`)]);
  });
  source.addEventListener('bye', () => { get('logs-state').textContent = 'topogen does not answer'; });
  source.addEventListener('end', () => {
    source.close();
    get('logs-state').textContent = 'it has ended';
  });
  source.addEventListener('error', async () => {
    if (source.readyState !== EventSource.CLOSED) {
      get('logs-state').textContent = 'lost, trying again';
      return;
    }
    get('logs-state').textContent = 'not served';
    try {
      const answer = await fetch(`/v1/logs/${path}?tail=1`, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) get('logs-state').textContent = (await answer.json()).error;
    } catch {
      // The server is gone, which the stream of events says.
    }
  });
}

function beginDetails() {
  get('close').addEventListener('click', closeDetails);
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !get('details').hidden) closeDetails();
  });
}

/** Opens what the address of the page names: `#slave3/app`. */
function openNamed() {
  const parts = location.hash.slice(1).split('/');
  if (parts.length !== 2 || details.node !== null) return;
  const [node, service] = parts.map(part => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  if (cluster.nodes.get(node)?.instances.some(one => one.service === service)) openDetails(node, service, null, null);
}
