const get = id => document.getElementById(id);
const count = page.scales.length;
const sliders = [...document.querySelectorAll('input[id^=d]')];
const parameters = [...document.querySelectorAll('#parameters input')];
const planes = page.maps.map((_, index) => document.querySelector(`#map${index} .plane`));
const canvas = document.querySelector('#sample canvas');
let code = new Array(count).fill(0), ends = [0, 0], shown = null;

function number(value, digits) {
  const text = Number(value).toPrecision(digits);
  const short = Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? text : String(Number(text));
  return short.replace('-', '\u2212');
}
function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return (text === '0.00' ? '' : value > 0 ? '+' : '\u2212') + text;
}

// --- decoding: one question at a time, the newest next -------------------------------------------
let waiting = false, changed = false;
async function decode() {
  if (waiting) { changed = true; return; }
  waiting = true;
  const kept = code.map((value, index) => index < Number(get('rank').value) ? value : 0);
  try {
    const answer = await fetch('/decode', {method: 'POST', body: new Float32Array(kept)});
    shown = await answer.arrayBuffer();
    draw();
    document.body.classList.remove('stale');
  } catch { document.body.classList.add('stale'); }
  waiting = false;
  if (changed) { changed = false; decode(); }
}

// --- drawing -------------------------------------------------------------------------------------
function place(element, box) {
  ['left', 'top', 'width', 'height'].forEach((side, index) => {
    element.style[side] = `${100 * box[index]}%`;
  });
}
function draw() {
  if (shown === null) return;
  const pen = canvas.getContext('2d');
  if (page.sample.kind === 'picture') { drawPicture(pen); return; }
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const [left, right, bottom, top] = page.frame.limits;
  const x = value => canvas.width * (value - left) / (right - left);
  const y = value => canvas.height * (1 - (value - bottom) / (top - bottom));
  const values = new Float32Array(shown);
  const colour = getComputedStyle(document.body);
  if (page.sample.kind === 'rows') drawRows(pen, values, x, y, ratio, colour);
  else drawLines(pen, values, x, y, ratio);
}
function drawPicture(pen) {
  const {width, height} = page.sample, bytes = new Uint8Array(shown);
  canvas.width = width;
  canvas.height = height;
  const image = pen.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let part = 0; part < 3; part++) image.data[4 * pixel + part] = bytes[3 * pixel + part];
    image.data[4 * pixel + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}
function drawLines(pen, values, x, y, ratio) {
  const places = page.sample.x, length = places.length;
  pen.lineWidth = 2 * ratio;
  pen.lineJoin = 'round';
  for (let channel = 0; channel * length < values.length; channel++) {
    pen.strokeStyle = page.sample.colours[channel % page.sample.colours.length];
    pen.beginPath();
    places.forEach((at, index) => pen.lineTo(x(at), y(values[channel * length + index])));
    pen.stroke();
  }
}
function drawRows(pen, values, x, y, ratio, colour) {
  const thick = 0.5 * canvas.height / values.length;
  pen.font = `${12 * ratio}px system-ui, sans-serif`;
  pen.textBaseline = 'middle';
  values.forEach((value, row) => {
    pen.fillStyle = colour.getPropertyValue('--accent');
    pen.fillRect(Math.min(x(0), x(value)), y(row) - thick / 2, Math.abs(x(value) - x(0)), thick);
    pen.fillStyle = colour.getPropertyValue('--ink');
    const own = page.sample.offset[row] + page.sample.scale[row] * value;
    pen.textAlign = value > 0 ? 'right' : 'left';  // on the empty side of zero
    pen.fillText(number(own, 4), x(0) + (value > 0 ? -6 : 6) * ratio, y(row));
  });
}

// --- the map -------------------------------------------------------------------------------------
function position(found, index) {
  const [left, right, bottom, top] = page.maps[index].limits;
  const across = (found[0] * page.scales[0] - left) / (right - left);
  const up = count > 1 ? (found[1] * page.scales[1] - bottom) / (top - bottom) : 0.5;
  return [across, 1 - up];
}
function put(element, [across, down]) {
  element.style.left = `${100 * Math.min(1, Math.max(0, across))}%`;
  element.style.top = `${100 * Math.min(1, Math.max(0, down))}%`;
}
function showMap() {
  planes.forEach((plane, index) => {
    put(plane.querySelector('b'), position(code, index));
    const [a, b] = ends.map(end => position(page.shown[end], index));
    put(plane.querySelector('.from'), a);
    put(plane.querySelector('.to'), b);
    const line = plane.querySelector('line');
    [['x1', a[0]], ['y1', a[1]], ['x2', b[0]], ['y2', b[1]]].forEach(([name, value]) =>
      line.setAttribute(name, value));
  });
}
function drag(event, index) {
  const box = planes[index].getBoundingClientRect();
  const [left, right, bottom, top] = page.maps[index].limits;
  const across = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const down = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
  code[0] = (left + across * (right - left)) / page.scales[0];
  if (count > 1) code[1] = (top + down * (bottom - top)) / page.scales[1];
  moved();
}
planes.forEach((plane, index) => {
  plane.addEventListener('pointerdown', event => {
    plane.setPointerCapture(event.pointerId);
    drag(event, index);
  });
  plane.addEventListener('pointermove', event => { if (event.buttons) drag(event, index); });
  plane.querySelector('b').addEventListener('keydown', event => {
    const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]};
    if (!(event.key in step)) return;
    event.preventDefault();
    step[event.key].slice(0, count).forEach((change, axis) => { code[axis] += change; });
    moved();
  });
});

// --- controls ------------------------------------------------------------------------------------
function tell(input, text) { input.previousElementSibling.textContent = text; }
function show() {
  const kept = Number(get('rank').value);
  tell(get('rank'), String(kept));
  sliders.forEach((input, index) => {
    input.value = code[index];
    input.disabled = index >= kept;
    tell(input, index < kept ? signed(code[index]) : 'left out');
  });
  parameters.forEach(input => tell(input, number(input.value, 4)));
  if (get('between')) tell(get('between'), `${Math.round(100 * get('between').value)} %`);
  showMap();
  decode();
}
function behind(stale) { get('parameters')?.classList.toggle('stale', stale); }
let asked = 0;  // answers to earlier questions about parameters are late
function moved() { asked++; behind(true); show(); }
function between() {
  asked++;
  const t = Number(get('between').value);
  code = page.shown[ends[0]].map((value, index) => (1 - t) * value + t * page.shown[ends[1]][index]);
  if (t === 0 || t === 1) takeParameters(ends[t]);
  else behind(true);
  show();
}
function takeParameters(end) {
  const known = page.parameters[end];
  if (known) parameters.forEach((input, index) => { input.value = known[index]; });
  behind(!known);
}
function choose(which, end) {
  ends[which] = end;
  ['from', 'to'].forEach((id, index) => document.querySelectorAll(`#${id} button`).forEach(
    (button, own) => button.setAttribute('aria-pressed', own === ends[index])));
  if (!get('between')) return;
  get('between').value = which;
  between();
}
async function move() {
  const own = ++asked, body = new Float64Array(parameters.map(input => Number(input.value)));
  let found;
  try {
    const answer = await fetch('/code', {method: 'POST', body});
    found = await answer.json();
  } catch { document.body.classList.add('stale'); return; }
  if (own !== asked) return;
  code = found.coordinates;
  behind(false);
  get('parameters').classList.toggle('outside', found.outside);
  show();
}
sliders.forEach((input, index) => input.addEventListener('input', () => {
  code[index] = Number(input.value);
  moved();
}));
parameters.forEach(input => input.addEventListener('input', move));
get('rank').addEventListener('input', show);
get('between')?.addEventListener('input', between);
['from', 'to'].forEach((id, which) => document.querySelectorAll(`#${id} button`).forEach(
  (button, end) => button.addEventListener('click', () => choose(which, end))));
get('mean').addEventListener('click', () => { code.fill(0); moved(); });
get('random').addEventListener('click', () => {
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  code = code.map(normal);
  moved();
});
get('colour')?.addEventListener('change', event => page.maps.forEach((_, index) => {
  get(`map${index}`).hidden = index !== event.target.selectedIndex;
}));
window.addEventListener('resize', draw);

place(canvas, page.frame.box);
planes.forEach((plane, index) => place(plane, page.maps[index].box));
choose(1, Math.min(1, page.shown.length - 1));
choose(0, 0);
