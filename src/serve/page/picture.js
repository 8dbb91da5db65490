// The topology, as the server draws it: taken into the page, so that its parts can be chosen.

const picture = { text: '', fetching: false, outdated: false, scale: 1, fits: true, size: [0, 0] };

/** The least milliseconds between two pictures. */
const PAUSE = 200;
/** Below this scale a picture that fits is no more readable, and is scrolled instead. */
const SMALLEST = 0.62;
/** A picture that is too high for its place gets no smaller than this for that alone. */
const LOW = 0.8;

/** Fetches the picture; while one is on its way, once more after it. */
async function fetchPicture() {
  if (picture.fetching) {
    picture.outdated = true;
    return;
  }
  picture.fetching = true;
  picture.outdated = false;
  try {
    const answer = await fetch('/graph.svg', { cache: 'no-cache' });
    const text = await answer.text();
    if (answer.ok) drawPicture(text);
    else if (!picture.text) noPicture(text);
  } catch {
    // The server is gone, which the stream of events says.
  }
  setTimeout(() => {
    picture.fetching = false;
    if (picture.outdated) fetchPicture();
  }, PAUSE);
}

function noPicture(text) {
  let reason = text;
  try {
    reason = JSON.parse(text).error;
  } catch {
    // It is said as it is.
  }
  get('picture').replaceChildren(element('p', '', `There is no picture: ${reason}`));
}

function drawPicture(text) {
  if (text === picture.text) return;
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  if (parsed.localName !== 'svg') return;
  picture.text = text;
  // Its styles are in the page already, where its policy lets them count.
  parsed.querySelectorAll('style, script').forEach(one => one.remove());
  const svg = document.importNode(parsed, true);
  svg.setAttribute('role', 'group');
  picture.size = [Number(svg.getAttribute('width')), Number(svg.getAttribute('height'))];
  const parts = partsOf(svg);
  for (const part of parts) {
    part.setAttribute('role', 'button');
    part.setAttribute('tabindex', '-1');
    part.setAttribute('aria-label', (part.querySelector('title')?.textContent ?? '').replaceAll('\n', ', '));
  }
  const old = get('picture').querySelector('svg');
  const focused = old?.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  get('picture').replaceChildren(svg);
  const at = parts.find(part => keyOf(part) === focused);
  (at ?? parts[0])?.setAttribute('tabindex', '0');
  at?.focus({ preventScroll: true });
  scalePicture();
  markChosen();
}

/** What can be chosen: the heads of nodes, and services. */
const partsOf = svg => [...svg.querySelectorAll('.node[data-nodes] > .head, .item[data-service]')];
const nodesOf = part => part.closest('[data-nodes]').dataset.nodes.split(' ');
const keyOf = part => `${nodesOf(part)[0]}/${part.dataset.service ?? ''}`;

function scalePicture() {
  const svg = get('picture').querySelector('svg');
  if (!svg) return;
  const [width, height] = picture.size;
  if (picture.fits) {
    const box = get('picture');
    const room = Math.min((box.clientWidth - 12) / width, Math.max(LOW, (box.clientHeight - 12) / height));
    picture.scale = Math.min(1.25, Math.max(SMALLEST, room));
  }
  svg.setAttribute('width', Math.round(width * picture.scale));
  svg.setAttribute('height', Math.round(height * picture.scale));
}

function zoom(by) {
  picture.fits = by === 0;
  picture.scale = Math.min(4, Math.max(0.15, picture.scale * (by || 1)));
  scalePicture();
}

function choosePart(part) {
  const nodes = nodesOf(part);
  const service = part.dataset.service;
  if (nodes.length > 1) chooseNodes(nodes);
  else if (service) openDetails(nodes[0], service, null, part);
  else reveal(nodes[0]);
}

/** The part beside `part` in the direction of `key`; `undefined` if there is none. */
function beside(part, key, parts) {
  const middle = one => {
    const box = one.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [x, y] = middle(part);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const far = one => {
    const [a, b] = middle(one);
    const along = (a - x) * dx + (b - y) * dy;
    const across = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
    return along > 1 ? along + 2 * across : Infinity;
  };
  const [distance, next] = parts.map(one => [far(one), one]).reduce((a, b) => b[0] < a[0] ? b : a, [Infinity]);
  return distance < Infinity ? next : undefined;
}

function beginPicture() {
  const box = get('picture');
  box.addEventListener('click', event => {
    const part = event.target.closest('.item[data-service], .node[data-nodes] > .head');
    if (part) choosePart(part);
  });
  box.addEventListener('keydown', event => {
    const part = event.target.closest('[role="button"]');
    if (!part) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choosePart(part);
    } else if (event.key.startsWith('Arrow')) {
      event.preventDefault();
      const next = beside(part, event.key, partsOf(box));
      if (!next) return;
      part.setAttribute('tabindex', '-1');
      next.setAttribute('tabindex', '0');
      next.focus();
    }
  });
  get('larger').addEventListener('click', () => zoom(1.25));
  get('smaller').addEventListener('click', () => zoom(0.8));
  get('fit').addEventListener('click', () => zoom(0));
  new ResizeObserver(() => picture.fits && scalePicture()).observe(box);
}
