const at = (index, count) => count > 1 ? `${100 * index / (count - 1)}%` : '0%';
const middle = (page.steps - 1) / 2;
let start = 0;
function show(cell, source, row, step) {
  cell.style.backgroundImage = `url(${page.sprites[source]})`;
  cell.style.backgroundSize = `${100 * page.steps}% ${100 * page.rows}%`;
  cell.style.backgroundPosition = `${at(step, page.steps)} ${at(row, page.rows)}`;
}
function move(input) {
  const row = Number(input.dataset.row), step = Number(input.value);
  show(document.querySelector(`span[data-row="${row}"]`), start, row, step);
  const change = (step / middle - 1) * page.reach;
  input.nextElementSibling.textContent =
    change ? `${change > 0 ? '+' : '\u2212'}${Math.abs(change).toFixed(2)} sd` : '0';
}
const sliders = document.querySelectorAll('.directions input');
const buttons = document.querySelectorAll('.starts button');
sliders.forEach(input => input.addEventListener('input', () => move(input)));
function begin(index) {
  start = index;
  buttons.forEach((button, own) => button.setAttribute('aria-pressed', own === index));
  sliders.forEach(input => { input.value = middle; move(input); });
}
buttons.forEach((button, index) => {
  show(button.firstElementChild, index, 0, middle);
  button.addEventListener('click', () => begin(index));
});
begin(buttons.length > 1 ? 1 : 0);
