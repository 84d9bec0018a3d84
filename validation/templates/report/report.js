"use strict";
// Shows one metric at a time, and rates at another threshold. The verdict is text that nothing here touches.
(() => {
  const decision = JSON.parse(document.getElementById("decision").textContent);
  const radios = [...document.querySelectorAll("input[name=metric]")];
  const slider = document.getElementById("threshold");
  const chosen = () => (radios.find((radio) => radio.checked) || { value: "sensitivity" }).value;
  const text = (value, digits) => (value === null ? "–" : value.toFixed(digits).replace("-", "−"));
  const place = (value) => 6 + 148 * value;

  function explore() {
    const at = Number(slider.value);
    const point = decision.operating_point.threshold;
    const rows = decision.tables.thresholds.filter((row) => row.metric === chosen());
    const cells = document.getElementById("rates").tBodies[0].rows;
    rows.forEach((row, number) => {
      const [value, lower, upper] = [row.value[at], row.lower[at], row.upper[at]];
      const usual = row.value[row.threshold.indexOf(point)];
      const [, estimate, drawn, change] = cells[number].cells;
      const bounds = lower === null ? "" : ` [${text(lower, 2)}, ${text(upper, 2)}]`;
      estimate.textContent = value === null ? "too few to say" : text(value, 2) + bounds;
      change.textContent = value === null || usual === null ? "–" : (value > usual ? "+" : "") + text(value - usual, 2);
      drawn.querySelector(".ci").setAttribute("d", lower === null ? "" : `M${place(lower)} 8H${place(upper)}`);
      drawn.querySelector(".point").setAttribute("d", value === null ? "" : `M${place(value)} 3a5 5 0 1 0 .1 0z`);
    });
    const threshold = rows[0].threshold[at];
    const where = threshold === point ? " (the operating point)" : "";
    document.getElementById("said").textContent = `${threshold.toFixed(3)}${where}`;
    slider.setAttribute("aria-valuetext", `${threshold.toFixed(3)}${where}`);
    const names = { ppv: "PPV", selection_rate: "Selection rate" };
    const name = names[chosen()] || chosen()[0].toUpperCase() + chosen().slice(1);
    document.querySelector("#rates caption").textContent = `${name} at ${threshold.toFixed(3)}, and its change from the operating point`;
  }

  function show() {
    for (const forest of document.querySelectorAll(".forest")) {
      forest.classList.toggle("chosen", forest.dataset.metric === chosen());
    }
    if (slider) explore();
  }

  document.documentElement.classList.add("js");
  for (const part of document.querySelectorAll(".switch, .explore")) part.hidden = false;
  for (const radio of radios) radio.addEventListener("change", show);
  if (slider) slider.addEventListener("input", explore);
  show();
})();
