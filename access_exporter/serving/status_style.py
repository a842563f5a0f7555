"""The CSS of the status page, and a Content-Security-Policy that allows this CSS and nothing else."""

import base64
import hashlib

_COLORS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#57606a;--line:#d5dae0;--track:#e4e8ec;
--good:#1a7f37;--warn:#8a5a00;--bad:#c01c28;--bar:#0969da;--link:#0757b8;--warn-fill:#d98b06}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--card:#181d24;--text:#e6eaef;--soft:#9ba5b0;--line:#303841;
--track:#2a323c;--good:#4ac26b;--warn:#e3b341;--bad:#ff7b72;--bar:#58a6ff;--link:#79b8ff;--warn-fill:#e3b341}}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.soft{color:var(--soft)}
"""

_PAGE = """
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem;display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem 1.5rem}
footer{padding:1rem 1rem 2rem;color:var(--soft);font-variant-numeric:tabular-nums}
h1{font-size:1.4rem;margin:0;width:100%}h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}h3{font-size:1em;margin:0}
.verdict strong{display:inline-block}h2 span{color:var(--soft);font-weight:400}p{margin:0}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}
a{color:var(--link)}code{font-size:.85em;font-weight:400;color:var(--soft);overflow-wrap:anywhere}
code:only-child{color:inherit;font-weight:600}
.notice,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem}
.notice{border-left:5px solid var(--warn);margin-top:.6rem;width:100%}
.grid{display:grid;gap:1rem;align-items:start;margin-top:1rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr))}
.card{min-width:0}
"""

_SEATS = """
.drawn{display:flex;flex-wrap:wrap;align-items:end;gap:.4rem 2rem;margin-top:.6rem}
.seats{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:.2rem 1rem;flex:1 1 16rem}
.seats strong{font-size:1.35rem}.seats p.warn,.seats p.bad{font-weight:600}
svg{display:block;width:100%}
.bar{height:12px;border-radius:6px;background:var(--track)}
rect.calm{fill:var(--bar)}rect.warn{fill:var(--warn-fill)}rect.bad{fill:var(--bad)}rect.mark{fill:var(--card)}
.course{height:1.6rem;overflow:visible}
polyline{fill:none;stroke:var(--bar);stroke-width:1.5;stroke-linejoin:round;vector-effect:non-scaling-stroke}
figure{margin:0;display:grid;grid-template-columns:1fr auto;align-items:end;gap:.6rem;flex:0 1 13rem}
figcaption{color:var(--soft);font-size:.85rem;white-space:nowrap;font-variant-numeric:tabular-nums}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,max(7.5rem,21%)),1fr));gap:.6rem 1rem;
margin:1rem 0 0}
.tiles div{display:flex;flex-direction:column}
dt{color:var(--soft);font-size:.9rem}dd{margin:0;font-weight:600;font-size:1.1rem;line-height:1.3;order:-1}
dd~dd{font-weight:400;font-size:.9rem;color:var(--warn);order:1}
"""

_TARGETS = """
ul{list-style:none;margin:0;padding:0}
.targets{margin-top:1rem;display:grid;column-gap:2.5rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
.targets li{border-top:1px solid var(--line);padding:.55rem 0;overflow-wrap:anywhere}
h3{display:flex;flex-wrap:wrap;gap:0 .4em;align-items:baseline}
.targets .bar{height:6px;margin:.25rem 0}
.label{font-weight:600;font-size:.9rem;margin-left:auto}
.label::before,.how::before{content:"";display:inline-block;border:.28em solid;border-radius:50%;margin-right:.45em;
vertical-align:.08em}.label.bad::before,.how.bad::before{border-radius:0}
.when{color:var(--soft);font-size:.9rem;font-variant-numeric:tabular-nums}.when>span{display:inline-block}
"""

_LINES = """
section>h2:not(.card h2){margin-top:1.4rem}
.lines{background:var(--card);border:1px solid var(--line);border-radius:10px;margin-top:.5rem}
.lines li+li{border-top:1px solid var(--line)}
.lines a{display:grid;align-items:center;gap:.1rem 1.2rem;padding:.5rem 1rem;color:inherit;text-decoration:none;
grid-template-columns:minmax(0,1fr) 5rem 8rem 10.5rem 14rem}
.lines a:hover .name,.lines a:focus-visible .name{text-decoration:underline}
.lines .course{height:1.1rem}
.name{font-weight:600;overflow-wrap:anywhere}.of{text-align:right;font-variant-numeric:tabular-nums}
.of span{margin-left:.4rem;font-weight:600}.of .calm{font-weight:400}.how{text-align:right}
@media(max-width:56rem){.lines a{display:flex;flex-wrap:wrap}.name,.lines .bar{flex:1 0 100%}
.name{order:-2}.lines .bar{order:-1}.lines .course{width:4rem}.lines a>span:empty{display:none}
.lines .how{margin-left:auto}}
@media(max-width:30rem){figure{flex:1 0 100%}.lines .course{display:none}}
@media(max-width:19rem){.lines a{display:block}.lines .of{white-space:normal}.lines .how{display:block;text-align:left}}
"""

# A browser that supports @property counts from the load of the page: `--sec` grows each second, `--min` each minute.
_AGES = """
@property --sec{syntax:"<integer>";inherits:false;initial-value:0}
@property --min{syntax:"<integer>";inherits:false;initial-value:0}
@property --plain{syntax:"*";inherits:true;initial-value:none}
@property --counted{syntax:"*";inherits:true;initial-value:counter(age)}
@keyframes sec{to{--sec:86400}}@keyframes min{to{--min:1440}}
.s,.min{counter-reset:age calc(var(--t,0)*10 + var(--u,0) + var(--sec,0) + var(--min,0))}
.s{animation:sec 86400s steps(86400)}.min{animation:min 86400s steps(1440)}
.s span,.min span{display:var(--plain,inline)}.s::before,.min::before{content:var(--counted,none)}
""" + "".join(
    (
        *(f".t{tens}{{--t:{tens}}}" for tens in range(1, 12)),
        *(f".u{ones}{{--u:{ones}}}" for ones in range(1, 10)),
    )
)

_MEDIA = """
@media(forced-colors:active){.bar{border:1px solid CanvasText;background:Canvas;forced-color-adjust:none}
rect.calm,rect.warn,rect.bad{fill:CanvasText}rect.mark{fill:Canvas}polyline{stroke:CanvasText}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--text:#000;--soft:#444;--line:#bbb;--track:#ddd;
--good:#1a7f37;--warn:#8a5a00;--bad:#c01c28;--bar:#0969da;--warn-fill:#d98b06}
:root{font-size:14px}body{font-size:13px}nav,.refresh{display:none}svg{print-color-adjust:exact}
.card,.targets li,.lines li{break-inside:avoid}.grid{display:block}.card{margin-bottom:1rem}h2{break-after:avoid}
.when time::after{content:" (" attr(title) ")"}}
"""

STYLE = _COLORS + _PAGE + _SEATS + _TARGETS + _LINES + _AGES + _MEDIA


def content_security_policy() -> str:
    """Return the policy in the header of the page: the browser loads nothing, and uses only the page's own CSS."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
