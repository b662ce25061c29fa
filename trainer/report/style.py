"""The looks of a report, in light and in dark."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2126; --soft: #5c6670; --rule: #d9dee3; --tint: #f4f6f8;
  --one: #1f6fb2; --two: #c8551b; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181b; --ink: #e4e8eb; --soft: #9aa4ad; --rule: #343b42;
  --tint: #1d2226; --one: #62aee8; --two: #f0935a; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 1080px; padding: 24px 20px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; }
h2 { border-top: 1px solid var(--rule); font-size: 1.25rem; margin: 40px 0 8px; padding-top: 16px; }
h3 { font-size: .95rem; font-weight: 600; margin: 0 0 4px; }
p { margin: 4px 0 12px; max-width: 75ch; }
.soft, caption { color: var(--soft); }
.warning { background: var(--tint); border-left: 4px solid var(--two); padding: 8px 12px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin: 20px 0; }
.tiles div { background: var(--tint); border-radius: 6px; padding: 10px 14px; }
.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tiles span { color: var(--soft); display: block; font-size: .8rem; }
.wide { margin: 12px 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 4px; text-align: left; }
th, td { border-bottom: 1px solid var(--rule); padding: 5px 14px 5px 0; text-align: left; vertical-align: top; }
tbody:first-child td { overflow-wrap: anywhere; } /* of tables without a header, whose cells may hold long words */
small { color: var(--soft); display: block; font-size: .78rem; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; min-width: 8em; overflow-wrap: anywhere; }
.row { display: grid; gap: 24px; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
figure { margin: 12px 0; }
figure.chart { max-width: 520px; }
svg { display: block; width: 100%; }
svg text { fill: var(--soft); font-size: 11.5px; }
.grid { stroke: var(--rule); }
polyline { fill: none; stroke-linejoin: round; stroke-width: 2; }
.dashed { stroke-dasharray: 5 5; stroke-width: 1.5; }
polyline.c0 { stroke: var(--soft); } polyline.c1 { stroke: var(--one); } polyline.c2 { stroke: var(--two); }
circle.c1, rect.c1 { fill: var(--one); } circle.c2 { fill: var(--two); }
circle.mark { fill: none; stroke: var(--two); stroke-width: 2.5; }
.chart figcaption { display: flex; flex-wrap: wrap; font-size: .8rem; gap: 4px 16px; padding-left: 12%; }
.chart i { border-top: 3px solid; display: inline-block; margin-right: 6px; vertical-align: middle; width: 18px; }
i.c0 { border-color: var(--soft); } i.c1 { border-color: var(--one); } i.c2 { border-color: var(--two); }
.chart i.dashed { border-top-style: dashed; }
.chart i.dots, .chart i.mark { border-radius: 50%; border-style: solid; border-width: 5px; width: 0; }
.chart i.mark { border-width: 2.5px; height: 12px; width: 12px; }
.cases { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
.cases figure { background: var(--tint); border-radius: 6px; margin: 0; overflow: hidden; }
.cases img { background: #000; display: inline-block; width: 50%; }
.cases figcaption { font-size: .78rem; line-height: 1.4; padding: 4px 10px 10px; }
.cases b { font-size: .9rem; font-variant-numeric: tabular-nums; }
.wrong { color: var(--two); }
@media print { body { max-width: none; } .wide { overflow: visible; } small { white-space: normal; }
  tr, li, p, .cases figure, figure.chart { break-inside: avoid; } h2, h2 + p, h3, caption { break-after: avoid; } }
"""
