// Draws the charts of a run's report with uPlot. Names of the data become text, never markup.
(() => {
  "use strict";
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const state = { series: 0, target: 0, mode: "origin", origin: -1, all: true };
  const plots = [];
  let paper = false;

  // ---- numbers and times
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer;
  const numbers = (text) =>
    Array.from(new Float32Array(bytes(text)), (value) => (Number.isNaN(value) ? null : value));
  const timesOf = (packed) => {
    const scale = data.unitIsRow ? 1 : 1e-6;
    return Array.from(new Int32Array(bytes(packed.k)), (k) => (packed.start + k * packed.unit) * scale);
  };
  const shown = (value) =>
    value == null ? "–" : Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 10 });
  const two = (number) => String(number).padStart(2, "0");
  function timeText(seconds, step = 60) {
    if (data.unitIsRow) return `row ${Math.round(seconds)}`;
    const at = new Date(Math.round(seconds * 1e3));
    const day = `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
    const daily = step >= 86400 && at.getUTCHours() + at.getUTCMinutes() === 0;
    const second = step < 60 ? `:${two(at.getUTCSeconds())}` : "";
    return daily ? day : `${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}${second} UTC`;
  }
  // Ticks of a time axis: the day under the first tick of each day, the year of each year.
  function tickTexts(splits, increment) {
    let before = "";
    return splits.map((seconds) => {
      const at = new Date(seconds * 1e3);
      const year = String(at.getUTCFullYear());
      const day = `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
      if (increment >= 364 * 86400) return year;
      const [text, under] =
        increment >= 28 * 86400
          ? [`${year}-${two(at.getUTCMonth() + 1)}`, ""]
          : increment >= 86400
            ? [day, year]
            : [`${two(at.getUTCHours())}:${two(at.getUTCMinutes())}` +
                (increment < 60 ? `:${two(at.getUTCSeconds())}` : ""), `${year}-${day}`];
      const line = under && under !== before ? `${text}\n${under}` : text;
      before = under;
      return line;
    });
  }

  // ---- elements
  function add(parent, tag, text = "", attributes = {}) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    parent.append(made);
    return made;
  }
  const section = (key) => document.getElementById(key);
  function choice(parent, label, options, onChange) {
    const select = add(add(parent, "label", label), "select");
    options.forEach(([value, text]) => add(select, "option", text, { value }));
    select.addEventListener("change", () => onChange(select.value));
    return select;
  }
  function host(parent, heading) {
    const box = add(parent, "div", "", { class: "chart" });
    const title = add(box, "h3", heading);
    const place = add(box, "div", "", { class: "plot", role: "img", "aria-label": heading });
    const note = add(box, "p", "", { class: "note" });
    return { box, title, place, note };
  }

  // ---- one chart
  const colour = (name) =>
    getComputedStyle(root).getPropertyValue(`--${name}`).trim() ||
    getComputedStyle(root).getPropertyValue("--drift").trim();
  const faint = (name, share) => {
    const alpha = Math.round(share * 255).toString(16).padStart(2, "0");
    return colour(name) + alpha;
  };
  const DASH = { dashed: [6, 4], dotted: [2, 4] };
  function lineOf(line, few) {
    const bars = line.kind === "bars";
    return {
      label: line.name || " ",
      class: line.name ? undefined : "none",
      stroke: line.invisible ? undefined : colour(line.colour),
      width: line.invisible ? 0 : line.kind === "dotted" ? 1.2 : 1.8,
      dash: DASH[line.kind],
      fill: bars ? faint(line.colour, 0.45) : undefined,
      paths: bars ? uPlot.paths.bars({ size: [0.9, 60] }) : undefined,
      points: line.invisible || bars || line.kind === "dotted"
        ? { show: false } : { show: line.kind === "points" || few, size: 7 },
      value: line.value || ((_, value) => shown(value)),
    };
  }
  const markerOf = (line) => (line.invisible ? faint("model", 0.35) : colour(line.colour));
  function draw(place, spec) {
    const few = spec.values[0].length < 3;
    const axis = { stroke: colour("text"), grid: { stroke: colour("grid"), width: 1 },
      ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif", labelSize: 20 };
    const x = { ...axis, label: spec.x || undefined, size: 34 };
    if (spec.time) {
      x.values = (_, splits, __, ___, step) => data.unitIsRow ? splits : tickTexts(splits, step);
      x.space = 70;
      x.size = 46;
    }
    const step = spec.values[0].length > 1 ? spec.values[0][1] - spec.values[0][0] : 60;
    const options = {
      width: paper ? 640 : Math.max(place.clientWidth, 200),
      height: spec.height || 240,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
      scales: {
        x: { time: Boolean(spec.time) && !data.unitIsRow,
             range: spec.pad ? (_, a, b) => [a - spec.pad, b + spec.pad] : undefined },
        y: { range: (_, low, high) => {
          if (low == null || high == null) return [0, 1];
          const bottom = spec.zero ? Math.min(0, low) : low;
          const margin = (high - bottom || Math.abs(high) || 1) * 0.06;
          return [spec.zero ? bottom : bottom - margin, spec.top ?? high + margin];
        } },
      },
      axes: [x, { ...axis, label: spec.y,
        values: (_, splits) => splits.map((v) => shown(v)),
        size: (_, texts) => Math.max(36, 20 + 7 * Math.max(0, ...(texts || []).map((t) => t.length))) }],
      series: [
        { label: spec.x || "time", value: (_, value) => value == null ? "–" : spec.time ? timeText(value, step) : shown(value) },
        ...spec.lines.map((line) => lineOf(line, few)),
      ],
      bands: spec.bands,
      cursor: { drag: { x: true, y: false } },
      legend: { markers: { stroke: (_, n) => n ? markerOf(spec.lines[n - 1]) : "transparent", dash: () => "solid" } },
      hooks: spec.mark ? { draw: [(u) => markAt(u, spec.mark)] } : {},
    };
    const made = new uPlot(options, spec.values, place);
    if (spec.range) made.setScale("x", spec.range);
    return made;
  }
  function markAt(u, at) {
    const x = u.valToPos(at, "x", true);
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
    u.ctx.save();
    u.ctx.strokeStyle = colour("muted");
    u.ctx.setLineDash([4, 4]);
    u.ctx.beginPath();
    u.ctx.moveTo(x, u.bbox.top);
    u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
    u.ctx.stroke();
    u.ctx.restore();
  }
  // A chart that is drawn again when its data, the width or the colours change.
  function chart(place, specOf) {
    const one = { place, drawn: null, width: 0, again() {
      one.drawn?.destroy();
      const spec = specOf();
      one.drawn = spec && spec.values[0]?.length ? draw(place, spec) : null;
      place.parentElement.hidden = !one.drawn;
      one.width = place.clientWidth;
    } };
    plots.push(one);
    one.again();
    new ResizeObserver(() => {
      if (!paper && one.drawn && Math.abs(place.clientWidth - one.width) > 1) {
        one.width = place.clientWidth;
        one.drawn.setSize({ width: Math.max(one.width, 200), height: one.drawn.height });
      }
    }).observe(place);
    return one;
  }
  const againAll = () => plots.forEach((one) => one.again());

  // ---- forecasts of a series
  const target = () => data.targets[state.target];
  const unit = () => (target().unit ? ` (${target().unit})` : "");
  const record = () => data.series[state.series].records[state.target];
  function bandLines(columns) {
    const lines = [], values = [], bands = [];
    data.levels.forEach((level, n) => {
      const at = 2 + lines.length;  // 0 is x, 1 the observed values
      values.push(columns[`upper_${level}`], columns[`lower_${level}`]);
      const both = (u, upper, _, i) =>
        i == null || upper == null ? "–" : `${shown(u.data[at + 1][i])} to ${shown(upper)}`;
      lines.push({ name: `${Number((100 * level).toPrecision(4))}% interval`, colour: "model", invisible: true, value: both },
                 { name: "", invisible: true, colour: "model" });
      bands.push({ series: [at, at + 1], fill: faint("model", 0.14 + 0.1 * n) });
    });
    return { lines, values, bands };
  }
  function forecastSpec() {
    const own = record(), times = timesOf(own.times), truth = numbers(own.truth);
    const empty = () => Array(times.length).fill(null);
    const spread = (text, at) => { const line = empty(); numbers(text).forEach((v, i) => { line[at + i] = v; }); return line; };
    let columns, range;
    if (state.mode === "origin" && own.origins.length) {
      const from = own.origins.at(state.origin);
      columns = Object.fromEntries(Object.entries(from.columns).map(([name, text]) => [name, spread(text, from.at)]));
      const last = Math.min(times.length - 1, from.at + data.steps + Math.ceil(data.steps / 4));
      const first = Math.max(0, from.at - Math.max(3 * data.steps, 24));
      range = { min: times[first], max: Math.max(times[last], times[first] + 1) };
    } else {
      const step = state.mode === "origin" ? "1" : state.mode;
      columns = Object.fromEntries(Object.entries(own.steps[step]).map(([name, text]) => [name, numbers(text)]));
    }
    const bands = bandLines(columns);
    const lines = [{ name: "observed", colour: "truth" }, ...bands.lines];
    const values = [times, truth, ...bands.values];
    if (data.baseline && columns[data.baseline[0]]) {
      lines.push({ name: data.baseline[1], colour: data.baseline[0] === "prior" ? "last_value" : data.baseline[0], kind: "dashed" });
      values.push(columns[data.baseline[0]]);
    }
    lines.push({ name: "forecast", colour: "model" });
    values.push(columns.prediction);
    const y = data.isProbability ? "probability" : `${target().name}${unit()}`;
    return { values, lines, bands: bands.bands, range, time: true, height: 340, y,
             zero: data.isProbability, top: data.isProbability ? 1.02 : null };
  }
  function forecasts() {
    const place = section("forecasts");
    const bar = add(place, "div", "", { class: "choose" });
    if (data.targets.length > 1)
      choice(bar, "Target", data.targets.map((t, n) => [n, t.name]), (n) => { state.target = Number(n); changed(); });
    let list = null;
    if (data.series.length > 1) {
      const search = add(add(bar, "label", "Search series"), "input", "", { type: "search", id: "series-search", autocomplete: "off" });
      list = choice(bar, "Series", [], (n) => { state.series = Number(n); changed(); });
      list.id = "series-list";
      const found = add(bar, "span", "", { class: "note", role: "status" });
      const fill = () => {
        const wanted = search.value.trim().toLowerCase();
        const hits = data.series.map((s, n) => [n, s.name]).filter(([, name]) => name.toLowerCase().includes(wanted));
        list.replaceChildren();
        hits.forEach(([n, name]) => add(list, "option", name || "(without a name)", { value: n }));
        found.textContent = hits.length ? (wanted ? `${hits.length} found` : "") : "none on this page";
        if (!hits.length) return;
        if (!hits.some(([n]) => n === state.series)) { state.series = hits[0][0]; changed(); }
        list.value = state.series;
      };
      search.addEventListener("input", fill);
      fill();
    }
    const last = String(data.steps);
    const modes = [["origin", "from one time on"], ["1", "1 step ahead"], [last, `${last} steps ahead`]];
    if (data.steps > 1) choice(bar, "Forecasts", modes, (mode) => { state.mode = mode; changed(); });
    else state.mode = "1";
    const score = add(place, "p", "", { class: "note", id: "series-score" });
    const main = host(place, "");
    const sliders = add(main.box, "label", "", { class: "choose row" });
    main.box.append(main.note);
    const slider = add(sliders, "input", "", { type: "range", min: 0, "aria-label": "time of the forecast" });
    const moment = add(sliders, "span", "", { class: "note" });
    slider.addEventListener("input", () => { state.origin = Number(slider.value); update(); });
    const drawn = chart(main.place, forecastSpec);
    function update() {
      const own = record(), series = data.series[state.series];
      const name = series.name ? `${series.name}: ` : "";
      main.title.textContent = `${name}${target().name}${unit()}`;
      main.place.setAttribute("aria-label", `Observed values and forecasts, ${main.title.textContent}`);
      score.textContent = data.series.length > 1 ? series.score : "";
      const single = state.mode === "origin" && own.origins.length > 0;
      sliders.hidden = !single || own.origins.length < 2;
      slider.max = Math.max(0, own.origins.length - 1);
      if (state.origin < 0 || state.origin >= own.origins.length) state.origin = own.origins.length - 1;
      slider.value = state.origin;
      const times = timesOf(own.times);
      moment.textContent = single ? `first forecast row ${timeText(times[own.origins[state.origin].at])}` : "";
      main.note.textContent = "Drag over a chart to zoom, double-click to zoom out." +
        (own.hidden ? ` The last ${times.length.toLocaleString("en")} of ${(times.length + own.hidden).toLocaleString("en")} test rows.` : "");
      drawn.again();
    }
    for (const key of ["series", "targets"])
      if (data.notes[key]) place.insertBefore(Object.assign(document.createElement("p"), { className: "note", textContent: data.notes[key] }), bar);
    update();
    return update;
  }

  // ---- errors, residuals, intervals, and what is the same for all series
  function errorValues(key) {
    const of = data.several && !state.all ? record().errors : data.all[state.target];
    const found = of[key];
    if (!found) return null;
    return found.times ? [timesOf(found.times), ...found.lines.map(numbers)] : found.map(numbers);
  }
  function whose() {
    const name = data.targets.length > 1 ? `${target().name}, ` : "";
    if (!data.several) return data.targets.length > 1 ? `Of ${target().name}.` : "";
    return `Of ${name}${state.all ? "all series" : data.series[state.series].name || "the chosen series"}.`;
  }
  function specOf(one) {
    if (one.values)
      return { ...one, values: one.values.map(numbers), mark: one.mark?.[0] };
    const values = errorValues(one.key);
    if (!values?.length) return null;
    const relative = data.relative && state.all, pad = one.lines[0].kind === "bars" ? (values[0][1] - values[0][0] || 1) / 2 : 0;
    const measured = ["by_step", "by_time"].includes(one.key) && !data.isProbability;
    return { ...one, values, pad, time: one.key === "by_time", mark: null,
      y: measured ? (relative ? "error / mean naive error" : one.y + unit()) : one.y,
      x: one.key === "residuals" ? one.x + (relative ? ", / mean naive error" : unit()) : one.x };
  }
  function others() {
    const grids = {}, whos = [];
    for (const one of data.charts) {
      const place = section(one.section);
      if (!grids[one.section]) {
        if (one.section === "errors") controls(place);
        if (!one.values) whos.push(add(place, "p", "", { class: "note" }));
        grids[one.section] = add(place, "div", "", { class: "grid" });
      }
      const made = host(grids[one.section], one.heading);
      if (one.mark) made.note.textContent = `Dashed: ${one.mark[1]} ${shown(one.mark[0])}`;
      chart(made.place, () => specOf(one));
    }
    return () => whos.forEach((who) => { who.textContent = whose(); });
  }
  function controls(place) {
    if (data.notes.errors) add(place, "p", data.notes.errors, { class: "note" });
    if (!data.several) return;
    const bar = add(place, "div", "", { class: "choose" });
    const names = [["all", "all series"], ["one", "the series chosen above"]];
    choice(bar, "Errors of", names, (value) => { state.all = value === "all"; changed(); }).id = "errors-of";
  }

  let update = () => {}, told = () => {};
  function changed() {
    update();
    told();
    againAll();
  }
  update = forecasts();
  told = others();
  told();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", againAll);
  const print = (on) => () => { paper = on; root.classList.toggle("paper", on); againAll(); };
  window.addEventListener("beforeprint", print(true));
  window.addEventListener("afterprint", print(false));
})();
