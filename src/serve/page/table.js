// The counts, the tiles and the table of nodes.

const table = {
  sort: 'state', down: false,
  /** The state that is filtered by; `null` for all, `not well` for all that is wrong. */
  state: null,
  /** The names of the nodes that were chosen in the picture; `null` for all. */
  nodes: null,
  expanded: new Set(),
  /** The rows of each node: the node's own first. */
  rows: new Map(),
  tiles: new Map(),
};

/** What a node is sorted by. */
const KEYS = {
  node: () => 0,
  state: node => -(RANK[worst(node)] > 1 ? RANK[worst(node)] : 0),
  address: node => (entry(node)?.address ?? '~').replace(/\d+/g, n => n.padStart(5, '0')),
  ports: node => portsOf(entry(node) ?? node.instances[0]).join(),
  health: node => healthOf(node),
  restarts: node => -restartsOf(node),
  since: node => -newest(node),
};

/** The container by which other nodes reach a node. */
const entry = node => node.instances.find(one => one.address && one.addresses.some(a => a.names.includes(node.node)))
  ?? node.instances.find(one => one.address);
const restartsOf = node => node.instances.reduce((sum, one) => sum + one.restarts, 0);
const newest = node => Math.max(0, ...node.instances.map(one => Date.parse(one.since) || 0));

function healthOf(node) {
  const checked = node.instances.filter(one => one.health);
  const healthy = checked.filter(one => one.health === 'healthy').length;
  if (!checked.length) return '';
  return healthy === checked.length ? 'healthy' : `${healthy}/${checked.length} healthy`;
}

/** The pills that say the state of a node. */
function nodePills(node) {
  const wrong = node.instances.filter(one => !isWell(one) || one.leaving);
  if (!wrong.length) {
    const running = node.instances.filter(one => one.verdict === 'running').length;
    const all = node.instances.length;
    return [pill(running === all ? `${all} running` : `${running} running, ${all - running} completed`, running ? 'running' : 'plain')];
  }
  const shown = wrong.slice(0, 2).map(one => pill(`${one.service} ${stateOf(one)}`, lookOf(one)));
  if (wrong.length > 2) shown.push(pill(`+${wrong.length - 2}`, worst(node)));
  return shown;
}

function cell(className, label, ...inside) {
  const made = element('td', className, ...inside);
  if (label && made.textContent) made.dataset.label = label;
  return made;
}

const list = texts => texts.flatMap((text, at) => at ? [element('br'), text] : [text]);

function nodeRow(node) {
  const one = entry(node);
  const open = element('button', 'open', node.node);
  open.type = 'button';
  open.setAttribute('aria-expanded', table.expanded.has(node.node));
  const role = node.node.startsWith(node.role) ? '' : element('span', 'role', node.role);
  const first = element('td', '', open, role);
  const row = element('tr', 'node', first,
    cell('state', '', ...nodePills(node)),
    cell('address', '', one?.address ? copyButton(one.address) : ''),
    cell('ports mono', 'ports', ...list(one ? portsOf(one) : [])),
    cell('health', '', healthOf(node)),
    cell('number', 'restarts', String(restartsOf(node) || '')),
    cell('since', '', sinceElement(newest(node) ? new Date(newest(node)).toISOString() : null)));
  open.addEventListener('click', () => expand(node.node));
  row.dataset.node = node.node;
  return row;
}

function serviceRow(node, one) {
  const open = element('button', 'open', one.number > 1 ? `${one.service} ${one.number}` : one.service);
  open.type = 'button';
  const row = element('tr', 'service', element('td', '', open),
    cell('state', '', pill(stateOf(one), lookOf(one))),
    cell('address', '', ...list(addressesOf(one).map(copyButton))),
    cell('ports mono', 'ports', ...list(portsOf(one))),
    cell('health', '', one.health ?? ''),
    cell('number', 'restarts', String(one.restarts || '')),
    cell('since', '', sinceElement(one.since)));
  open.setAttribute('aria-label', `Details of ${node.node}, ${one.service}`);
  open.addEventListener('click', () => openDetails(node.node, one.service, one.number, open));
  row.dataset.node = node.node;
  row.dataset.service = one.service;
  row.dataset.number = one.number;
  return row;
}

function makeRows(node) {
  const rows = [nodeRow(node)];
  if (table.expanded.has(node.node)) rows.push(...node.instances.map(one => serviceRow(node, one)));
  return rows;
}

/** The text of a node that the filter looks into. */
function textOf(node) {
  const of = one => [one.service, one.container, one.image, stateOf(one), one.verdict, one.health, ...addressesOf(one),
    ...one.addresses.flatMap(a => [a.network, ...a.names])];
  return [node.node, node.role, ...node.instances.flatMap(of)].join(' ').toLowerCase();
}

function isShown(node, words) {
  if (table.nodes && !table.nodes.has(node.node)) return false;
  const is = one => table.state === 'not well' ? !isWell(one) : one.verdict === table.state;
  if (table.state && !node.instances.some(is)) return false;
  return words.every(word => node.text.includes(word));
}

/** Puts the rows in their order, and leaves out what is filtered away. The focus stays where it is. */
function arrange() {
  const words = get('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const key = KEYS[table.sort];
  const all = [...cluster.nodes.values()];
  const shown = all.filter(node => isShown(node, words)).map(node => [key(node), node]);
  shown.sort(([a, one], [b, other]) => (a < b ? -1 : a > b ? 1 : natural(one.node, other.node)));
  if (table.down) shown.reverse();
  const rows = shown.flatMap(([, node]) => table.rows.get(node.node));
  const body = get('nodes');
  if (body.children.length !== rows.length || rows.some((row, at) => body.children[at] !== row)) {
    const focus = document.activeElement;
    body.replaceChildren(...rows);
    if (focus !== document.activeElement && body.contains(focus)) focus.focus({ preventScroll: true });
  }
  const names = new Set(shown.map(([, node]) => node.node));
  for (const [name, tile] of table.tiles) tile.classList.toggle('faded', !names.has(name));
  get('shown').textContent = shown.length === all.length ? String(all.length) : `${shown.length} of ${all.length}`;
  const none = get('none');
  none.hidden = shown.length > 0;
  none.textContent = all.length ? 'No node is as the filter says.' : 'Nothing of the cluster is on the engine.';
}

/** Makes the rows of a node anew, and marks them for a moment if they have changed. */
function drawNode(node, isNew) {
  node.text = textOf(node);
  const before = table.rows.get(node.node) ?? [];
  const focus = before.findIndex(row => row.contains(document.activeElement));
  const after = makeRows(node);
  table.rows.set(node.node, after);
  before.forEach((row, at) => { if (after[at]) row.replaceWith(after[at]); else row.remove(); });
  if (focus >= 0) (after[focus] ?? after[0]).querySelector('.open').focus({ preventScroll: true });
  if (!isNew) after[0].classList.add('changed');
  drawTile(node);
}

function drawTile(node) {
  let tile = table.tiles.get(node.node);
  if (!tile) {
    tile = element('button', 'tile');
    tile.type = 'button';
    tile.addEventListener('click', () => reveal(node.node));
    table.tiles.set(node.node, tile);
  }
  const wrong = node.instances.filter(one => !isWell(one)).map(one => `${one.service} ${stateOf(one)}`);
  const label = `${node.node}: ${wrong.join(', ') || plural(node.instances.length, 'container')}`;
  tile.className = `tile ${worst(node)}`;
  tile.title = label;
  tile.setAttribute('aria-label', label);
}

function arrangeTiles() {
  const nodes = [...cluster.nodes.values()].sort((a, b) => natural(a.node, b.node));
  const roles = new Map();
  for (const node of nodes) roles.set(node.role, [...roles.get(node.role) ?? [], node]);
  const groups = [...roles.values()];
  groups.forEach((group, at) => group.forEach((node, place) =>
    table.tiles.get(node.node).classList.toggle('other-role', at > 0 && place === 0)));
  const tiles = groups.flat().map(node => table.tiles.get(node.node));
  const now = get('tiles').children;
  if (now.length !== tiles.length || tiles.some((tile, at) => now[at] !== tile)) get('tiles').replaceChildren(...tiles);
  // One stop of the Tab key for all of them.
  tiles.forEach((tile, at) => { tile.tabIndex = at ? -1 : 0; });
}

function drawCounts() {
  const count = new Map();
  let wrong = 0;
  for (const node of cluster.nodes.values()) {
    for (const one of node.instances) {
      count.set(one.verdict, (count.get(one.verdict) ?? 0) + 1);
      if (!isWell(one)) wrong += 1;
    }
  }
  if (table.state && table.state !== 'not well' && !count.has(table.state)) table.state = null;
  if (table.state === 'not well' && !wrong) table.state = null;
  const words = [...count].sort(([a], [b]) => RANK[look(a)] - RANK[look(b)] || natural(a, b));
  const chips = words.map(([word, n]) => chip(word, `${n} ${word}`, look(word)));
  if (wrong) chips.push(chip('not well', `${wrong} not well`, 'stopped'));
  const focused = document.activeElement?.dataset?.state;
  get('counts').replaceChildren(...chips);
  if (focused) chips.find(one => one.dataset.state === focused)?.focus();
  document.title = `${wrong ? `(${wrong}) ` : ''}${cluster.name} · topogen`;
}

function chip(state, text, kind) {
  const made = element('button', `chip ${kind}`, element('span', 'dot'), text);
  made.type = 'button';
  made.dataset.state = state;
  made.setAttribute('aria-pressed', table.state === state);
  made.addEventListener('click', () => {
    table.state = table.state === state ? null : state;
    drawCounts();
    arrange();
  });
  return made;
}

function expand(name, open = !table.expanded.has(name)) {
  if (open) table.expanded.add(name); else table.expanded.delete(name);
  const node = cluster.nodes.get(name);
  if (node) drawNode(node, true);
  arrange();
  markChosen();
}

/** Shows the rows of a node, whatever is filtered, and moves the focus there. */
function reveal(name) {
  get('filter').value = '';
  [table.state, table.nodes] = [null, null];
  drawCounts();
  drawChosen();
  expand(name, true);
  const row = table.rows.get(name)?.[0];
  row?.scrollIntoView({ block: 'center' });
  row?.querySelector('.open').focus({ preventScroll: true });
}

/** Filters by nodes that were chosen in the picture. */
function chooseNodes(names) {
  table.nodes = names && new Set(names);
  drawChosen();
  arrange();
  if (names) get('nodes-title').focus();
}

function drawChosen() {
  const names = table.nodes && [...table.nodes];
  get('chosen').hidden = !names;
  get('chosen').textContent = names ? `${plural(names.length, 'node')}: ${names[0]}${names.length > 1 ? ' … ' + names.at(-1) : ''} ×` : '';
}

function drawSort() {
  for (const head of document.querySelectorAll('th')) {
    const is = head.dataset.sort === table.sort;
    if (is) head.setAttribute('aria-sort', table.down ? 'descending' : 'ascending');
    else head.removeAttribute('aria-sort');
  }
}

function beginTable() {
  for (const head of document.querySelectorAll('th')) {
    head.firstChild.addEventListener('click', () => {
      table.down = table.sort === head.dataset.sort && !table.down;
      table.sort = head.dataset.sort;
      drawSort();
      arrange();
    });
  }
  drawSort();
  get('filter').addEventListener('input', arrange);
  get('chosen').addEventListener('click', () => {
    chooseNodes(null);
    get('filter').focus();
  });
  get('tiles').addEventListener('keydown', event => rove(event, [...get('tiles').children]));
  get('nodes').addEventListener('click', event => {
    // A row is as good as the button in it, but for whoever selects its text.
    const isFree = !event.target.closest('button') && getSelection().isCollapsed;
    if (isFree) event.target.closest('tr')?.querySelector('.open').click();
  });
  get('nodes').addEventListener('keydown', event => {
    const row = event.target.closest('tr');
    if (!event.target.classList.contains('open')) return;
    const open = event.key === 'ArrowRight';
    if (row.classList.contains('node') && (open || event.key === 'ArrowLeft')) {
      if (open !== table.expanded.has(row.dataset.node)) expand(row.dataset.node, open);
      event.preventDefault();
    } else if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') {
      rove(event, [...get('nodes').querySelectorAll('.open')]);
    }
  });
  document.addEventListener('keydown', event => {
    const isText = event.target.matches('input, textarea');
    if (event.key === '/' && !isText && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      get('filter').focus();
    }
    if (event.key === 'Escape' && event.target === get('filter')) {
      get('filter').value = '';
      arrange();
    }
  });
  setInterval(() => {
    for (const time of document.querySelectorAll('time[datetime]')) time.textContent = ago(Date.parse(time.dateTime));
  }, 5000);
}
