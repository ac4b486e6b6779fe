/** Line plots as SVG, without a library: axes, a grid, lines with points, a legend. Pure: the same plot gives the same text. */

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  dashed?: boolean;
}

export interface Plot {
  title: string;
  x: string;
  y: string;
  xLog?: boolean;
  yLog?: boolean;
  series: readonly Series[];
}

const WIDTH = 760;
const HEIGHT = 440;
const LEFT = 78;
const RIGHT = 214;
const TOP = 44;
const BOTTOM = 58;
/** Told apart by those who do not see red and green as well (after Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#9a7d0a"];

interface Axis {
  at(value: number): number;
  ticks: number[];
}

/** Round values that cover the range, about five of them. */
function linearTicks(least: number, most: number): number[] {
  const raw = (most - least) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw)!;
  const ticks: number[] = [];
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  for (let n = first; n <= Math.max(last, first + 1); n++) ticks.push(n * step);
  return ticks;
}

/** Powers of ten that cover the range; 2 and 5 in between where it is short. */
function logTicks(least: number, most: number): number[] {
  const short = Math.log10(most / least) < 2;
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); ; power++) {
    for (const factor of short ? [1, 2, 5] : [1]) {
      ticks.push(factor * 10 ** power);
      if (ticks.at(-1)! >= most * 0.999_999) {
        while (ticks.length > 2 && ticks[1]! <= least * 1.000_001) ticks.shift();
        return ticks;
      }
    }
  }
}

function axis(values: readonly number[], log: boolean, from: number, to: number): Axis {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const least = Math.min(...usable);
  const most = Math.max(...usable);
  if (usable.length === 0) return { at: () => from, ticks: [] };
  const ticks = log ? logTicks(least, most) : linearTicks(Math.min(0, least), most);
  const scale = log ? Math.log10 : (value: number) => value;
  const low = scale(ticks[0]!);
  const high = scale(ticks.at(-1)!);
  return { at: (value) => from + ((scale(value) - low) / (high - low || 1)) * (to - from), ticks };
}

/** A tick's label: 20,000 is 20k. */
function label(value: number): string {
  const units: [number, string][] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  for (const [size, unit] of units)
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  return String(Number(value.toPrecision(3)));
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const round = (value: number) => Number(value.toFixed(1));

/** Draws a plot. Points that a logarithmic axis cannot show are left out. */
export function svg(plot: Plot): string {
  const points = plot.series.flatMap((one) => one.points);
  const x = axis(
    points.map(([value]) => value),
    plot.xLog ?? false,
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    points.map(([, value]) => value),
    plot.yLog ?? false,
    HEIGHT - BOTTOM,
    TOP,
  );
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
      `font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="24" font-size="15" fill="#111111">${escapeXml(plot.title)}</text>`,
  ];
  for (const tick of x.ticks) {
    const at = round(x.at(tick));
    out.push(`<line x1="${at}" y1="${TOP}" x2="${at}" y2="${HEIGHT - BOTTOM}" stroke="#e2e2e2"/>`);
    out.push(`<text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333333">${label(tick)}</text>`);
  }
  for (const tick of y.ticks) {
    const at = round(y.at(tick));
    out.push(`<line x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}" stroke="#e2e2e2"/>`);
    out.push(`<text x="${LEFT - 8}" y="${at + 4}" text-anchor="end" fill="#333333">${label(tick)}</text>`);
  }
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  const height = (TOP + HEIGHT - BOTTOM) / 2;
  out.push(`<text x="${middle}" y="${HEIGHT - 14}" text-anchor="middle" fill="#111111">${escapeXml(plot.x)}</text>`);
  out.push(
    `<text x="18" y="${height}" text-anchor="middle" fill="#111111" transform="rotate(-90 18 ${height})">${escapeXml(plot.y)}</text>`,
  );
  plot.series.forEach((series, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const drawn = series.points
      .filter(([px, py]) => Number.isFinite(py) && (!plot.xLog || px > 0) && (!plot.yLog || py > 0))
      .map(([px, py]) => [round(x.at(px)), round(y.at(py))] as const);
    const dash = series.dashed ? ' stroke-dasharray="6 4"' : "";
    const line = drawn.map(([px, py]) => `${px},${py}`).join(" ");
    out.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`);
    for (const [px, py] of drawn) out.push(`<circle cx="${px}" cy="${py}" r="3" fill="${colour}"/>`);
    const row = TOP + 10 + i * 20;
    const from = WIDTH - RIGHT + 14;
    out.push(
      `<line x1="${from}" y1="${row}" x2="${from + 22}" y2="${row}" stroke="${colour}" stroke-width="2"${dash}/>`,
    );
    out.push(`<text x="${from + 28}" y="${row + 4}" fill="#111111">${escapeXml(series.name)}</text>`);
  });
  out.push("</svg>");
  return `${out.join("\n")}\n`;
}
