"""The page itself: picture, rate, latency and legend; no other address is ever asked."""

from segpp.runtime.html_report.markup import Html, join, tag

__all__ = ["POLICY", "SCRIPT", "STYLE", "page_of"]

# Whatever a class may be called, the browser itself runs and loads nothing from elsewhere.
POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1c; --faint: #5f5f5f;
  --line: #d8d8d8; --bar: #2a7ab8; --bad: #a33a00; }
@media (prefers-color-scheme: dark) { :root { --paper: #161616; --ink: #e8e8e8; --faint: #a4a4a4;
  --line: #3c3c3c; --bar: #4c9bd6; --bad: #ff9d5c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.4 system-ui, sans-serif; }
main { display: grid; gap: 1rem 1.5rem; padding: 1rem; max-width: 100rem; margin: 0 auto;
  grid-template-columns: minmax(0, 1fr) 20rem; align-items: start; }
header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .25rem 1rem;
  align-items: baseline; }
h1 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
#state { color: var(--faint); font-size: .875rem; } #state.bad { color: var(--bad); }
img { display: block; width: 100%; max-height: calc(100vh - 5rem); object-fit: contain;
  object-position: top; border-radius: 4px; background: var(--line); min-height: 6rem;
  position: sticky; top: 1rem; }
dl { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem 1rem; margin: 0 0 1.25rem;
  font-variant-numeric: tabular-nums; }
dl div { min-width: 0; } dt { color: var(--faint); font-size: .8rem; }
dd { margin: 0; font-size: 1.35rem; font-weight: 600; white-space: nowrap; }
dd small { font-size: .8rem; font-weight: 400; color: var(--faint); }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
li { display: grid; grid-template-columns: 1rem minmax(0, 1fr) auto; gap: .1rem .5rem;
  align-items: center; padding: .3rem 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
li.none { color: var(--faint); }
li span:nth-child(2) { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
rect.edge { stroke: var(--line); } svg { display: block; }
svg.track { grid-column: 1 / -1; width: 100%; height: .25rem; border-radius: 2px;
  background: var(--line); } svg.track rect { fill: var(--bar); }
@media (max-width: 56rem) { main { grid-template-columns: minmax(0, 1fr); }
  img { max-height: none; position: static; }
  dl { grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); } }
@media (prefers-reduced-motion: no-preference) { svg.track rect { transition: width .3s; } }
"""

SCRIPT = """
"use strict";
const at = name => document.getElementById(name);
const image = at("picture"), list = at("classes"), svg = "http://www.w3.org/2000/svg";
let rows = [], misses = 0, wasOver = false;

const number = (value, digits) => value.toLocaleString("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = share => share > 0 && share < 0.0005 ? "<0.1%" : number(100 * share, 1) + "%";

function box(width, height, name) {
  const drawing = document.createElementNS(svg, "svg");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (name) { drawing.setAttribute("class", name);
    drawing.setAttribute("preserveAspectRatio", "none"); }
  const rect = document.createElementNS(svg, "rect");
  rect.setAttribute("height", height);
  rect.setAttribute("width", width);
  drawing.append(rect);
  return [drawing, rect];
}

function row(one) {
  const item = document.createElement("li"), name = document.createElement("span");
  const share = document.createElement("span");
  const [swatch, color] = box(16, 16), [track, bar] = box(100, 1, "track");
  color.setAttribute("fill", one.color);
  color.setAttribute("class", "edge");
  name.textContent = name.title = one.name;
  item.append(swatch, name, share, track);
  list.append(item);
  return { item, share, bar };
}

function say(text, bad) {
  at("state").textContent = text;
  at("state").className = bad ? "bad" : "";
}

function show(state) {
  at("rate").textContent = state.rate ? number(state.rate, 1) : "-";
  const lasts = [state.latency_ms["50"], state.latency_ms["95"]];
  at("p50").textContent = lasts[0] ? number(lasts[0], 0) : "-";
  at("p95").textContent = lasts[1] ? number(lasts[1], 0) : "-";
  at("network").textContent = state.network_ms === null ? "-" : number(state.network_ms, 0);
  at("done").textContent = number(state.done, 0);
  at("dropped").textContent = number(state.dropped, 0);
  if (rows.length !== state.classes.length) {
    list.replaceChildren();
    rows = state.classes.map(row);
  }
  state.classes.forEach((one, index) => {
    const { item, share, bar } = rows[index];
    share.textContent = percent(one.share);
    bar.setAttribute("width", 100 * one.share);
    item.className = one.share ? "" : "none";
  });
  if (state.size) image.alt = `The newest of ${state.done} frames with its classes painted over it`;
  if (state.over) say("ended", false);
  else if (!state.done) say("waiting for the first frame", false);
  else say(state.size ? `live, ${state.size[1]} x ${state.size[0]}` : "live", false);
  if (wasOver && !state.over) image.src = "/stream.mjpg?" + Date.now();
  wasOver = state.over;
}

async function update() {
  try {
    const answer = await fetch("/state.json", { cache: "no-store",
      signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.json());
    misses = 0;
  } catch (failure) {
    misses += 1;
    if (misses > 2) { say("no answer: the run has ended, or the network is gone", true);
      wasOver = true; }
  }
  setTimeout(update, misses ? 2000 : 500);
}
update();
"""

_FACTS = (
    ("rate", "masks per second", ""),
    ("network", "network", "ms"),
    ("p50", "frame to mask, median", "ms"),
    ("p95", "frame to mask, p95", "ms"),
    ("done", "frames done", ""),
    ("dropped", "dropped", ""),
)


def page_of(title: str) -> str:
    """Return the page of a run."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        Html('<link rel="stylesheet" href="/style.css"><link rel="icon" href="data:,">'),
    )
    facts = tag("dl", *(_fact(*fact) for fact in _FACTS))
    legend = tag("ul", id="classes", aria_label="classes and their shares")
    picture = tag("img", id="picture", src="/stream.mjpg", alt="No frame yet")
    top = tag("header", tag("h1", title), tag("span", id="state", role="status"))
    body = tag("main", top, picture, tag("section", facts, legend))
    script = Html('<script src="/live.js"></script>')
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', join(body, script)), lang='en')}\n"


def _fact(name: str, label: str, unit: str) -> Html:
    value = [tag("span", "-", id=name)]
    if unit:
        value += [Html(" "), tag("small", unit)]
    return tag("div", tag("dt", label), tag("dd", *value))
