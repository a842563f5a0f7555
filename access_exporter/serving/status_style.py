"""The style of the status page, and the policy that lets a browser use it and nothing else."""

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#57606a;--line:#d5dae0;--track:#e4e8ec;
--good:#1a7f37;--warn:#8a5a00;--bad:#c01c28;--bar:#0969da;--link:#0757b8}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--card:#181d24;--text:#e6eaef;--soft:#9ba5b0;--line:#303841;
--track:#2a323c;--good:#4ac26b;--warn:#e3b341;--bad:#ff7b72;--bar:#58a6ff;--link:#79b8ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}footer{padding:1rem 1rem 2rem;color:var(--soft)}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}p{margin:.4rem 0}
h2 span{color:var(--soft);font-weight:400}
a{color:var(--link)}code{font-size:.85em;font-weight:400;color:var(--soft);overflow-wrap:anywhere}
.notice,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem}
.notice{border-left:5px solid var(--warn);margin:1rem 0}
.grid{display:grid;gap:1rem;align-items:start;margin-top:1rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr))}
.card{min-width:0}
.seats{display:flex;justify-content:space-between;gap:1rem;margin:.8rem 0 .2rem}
svg{display:block;width:100%;height:12px;border-radius:6px;background:var(--track)}
rect.calm{fill:var(--bar)}rect.warn{fill:var(--warn)}rect.bad{fill:var(--bad)}
dl{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.8rem 0}dl div{display:flex;gap:.4rem}
dt{color:var(--soft)}dd{margin:0;font-weight:600}
ul{list-style:none;margin:.8rem 0 0;padding:0}
li{border-top:1px solid var(--line);padding:.5rem 0;overflow-wrap:anywhere}li:last-child{padding-bottom:0}
.list{margin:1.2rem 0}
details{background:var(--card);border:1px solid var(--line);margin-top:-1px;padding:0 1rem}
h2+details{border-radius:10px 10px 0 0;margin-top:.5rem}details:last-child{border-radius:0 0 10px 10px}
h2+details:last-child{border-radius:10px}
summary{display:grid;align-items:center;gap:.1rem 1rem;padding:.5rem 0;cursor:pointer;list-style:none;
grid-template-columns:.6rem minmax(0,1fr) 8rem 10rem 14rem}
summary::-webkit-details-marker{display:none}
summary::before{content:"";border:solid transparent;border-width:.3rem 0 .3rem .45rem;border-left-color:var(--soft);
align-self:start;margin-top:.45rem}
details[open] summary::before{transform:rotate(90deg)}
details>:last-child{padding-bottom:1rem}
.name{font-weight:600;overflow-wrap:anywhere}.of{text-align:right;font-variant-numeric:tabular-nums}
.of span{margin-left:.5rem}.how{text-align:right}
@media(max-width:48rem){summary{grid-template-columns:.6rem auto minmax(0,1fr)}.name{grid-column:2/4}
summary svg{grid-column:2/4}.of,.how{align-self:start;margin-top:.1rem}
.of{grid-column:2;text-align:left;white-space:nowrap}}
.when{color:var(--soft);font-size:.9rem;display:inline-block}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
"""


def content_security_policy() -> str:
    """Return the policy the page is sent with: nothing is loaded, and only its own style is used."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
