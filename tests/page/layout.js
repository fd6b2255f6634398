/* What is wrong with how a page is laid out, as a list of lines: texts that overlap, that leave their boxes, a page that scrolls sideways, text that is hard to read, lines that colour alone
 * tells apart. Run in the page by a browser's driver; arguments: width wanted. */
const wrong = [], name = (t) => '"' + t.trim().slice(0, 40) + '"';
for (const d of document.querySelectorAll('details')) d.open = true;
const root = document.documentElement;
if (root.clientWidth > arguments[0]) wrong.push('the window is ' + root.clientWidth + ' wide, not ' + arguments[0]);
if (root.scrollWidth > root.clientWidth) wrong.push('the page scrolls sideways: ' + root.scrollWidth + ' > ' + root.clientWidth);

/* ---- texts: a rectangle a line, cut to what its scrolling boxes show ---- */
const texts = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walk.nextNode());) {
    if (!node.data.trim() || ['STYLE', 'SCRIPT'].includes(node.parentElement.tagName)) continue;
    const style = getComputedStyle(node.parentElement);
    if (style.visibility === 'hidden' || style.display === 'none') continue;
    const range = document.createRange(), rects = [], words = style.whiteSpace.startsWith('pre') ? /\S+/g : /\S[^]*\S|\S/g;
    for (const word of node.data.matchAll(words)) { /* kept spaces at a line's end may hang over its edge: word by word */
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        rects.push(...range.getClientRects());
    }
    for (const r of rects) {
        let box = { left: r.left, right: r.right, top: r.top, bottom: r.bottom };
        for (let e = node.parentElement; e && e !== document.body; e = e.parentElement) {
            if (getComputedStyle(e).overflowX === 'visible') continue;
            const b = e.getBoundingClientRect();
            box = { left: Math.max(box.left, b.left), right: Math.min(box.right, b.right), top: Math.max(box.top, b.top), bottom: Math.min(box.bottom, b.bottom) };
        }
        if (box.right - box.left > 1 && box.bottom - box.top > 1) texts.push({ ...box, node, whole: r });
    }
}
if (!texts.length) wrong.push('there is no text');
texts.sort((a, b) => a.top - b.top);
for (let i = 0; i < texts.length; i++)
    for (let k = i + 1; k < texts.length && texts[k].top < texts[i].bottom - 1.5; k++) {
        const a = texts[i], b = texts[k];
        if (a.node === b.node || a.right - b.left < 1.5 || b.right - a.left < 1.5) continue;
        wrong.push('texts overlap: ' + name(a.node.data) + ' and ' + name(b.node.data));
    }

/* ---- each within the box that lays it out ---- */
const container = (e) => {
    const svg = e.closest('svg');
    if (svg) return svg;
    while (e !== document.body && ['inline', 'contents'].includes(getComputedStyle(e).display)) e = e.parentElement;
    return e;
};
for (const t of texts) {
    const c = container(t.node.parentElement), b = c.getBoundingClientRect(), slack = parseFloat(getComputedStyle(t.node.parentElement).fontSize) * 0.4;
    if (t.whole.left < b.left - 1 || t.whole.right > b.right + 1 || t.whole.top < b.top - slack || t.whole.bottom > b.bottom + slack) wrong.push('text leaves its ' + c.tagName.toLowerCase() + ': ' + name(t.node.data));
}
for (const e of document.body.querySelectorAll('*')) {
    const p = e.parentElement;
    if (e.closest('svg') || getComputedStyle(p).overflowX !== 'visible' || ['inline', 'contents'].includes(getComputedStyle(e).display)) continue;
    let up = p;
    while (up !== document.body && ['inline', 'contents'].includes(getComputedStyle(up).display)) up = up.parentElement;
    const a = e.getBoundingClientRect(), b = up.getBoundingClientRect();
    if (a.width > 0 && a.right > b.right + 1) wrong.push('a ' + e.tagName.toLowerCase() + ' leaves its ' + up.tagName.toLowerCase() + ' by ' + Math.round(a.right - b.right) + ': ' + name(e.textContent));
}

/* ---- contrast, of colours as they are laid over each other (WCAG 2.1) ---- */
const colour = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 }; };
const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
const light = (c) => { const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
const behind = (e) => { const own = colour(getComputedStyle(e).backgroundColor); if (own.a === 1) return own; return over(own, e.parentElement ? behind(e.parentElement) : { r: 255, g: 255, b: 255, a: 1 }); };
const seen = new Set();
for (const t of texts) {
    const e = t.node.parentElement, style = getComputedStyle(e);
    if (seen.has(e)) continue;
    seen.add(e);
    const under = behind(e), text = colour(e.closest('svg') ? style.fill : style.color);
    for (let p = e; p; p = p.parentElement) text.a *= Number(getComputedStyle(p).opacity);
    const a = light(over(text, under)), b = light(under), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.push('contrast ' + ratio.toFixed(2) + ': ' + name(t.node.data));
}

/* ---- lines of one drawing: dashes of their own, and a legend that has them ---- */
for (const svg of document.querySelectorAll('.plot svg, .radar svg')) {
    const dashes = [...svg.querySelectorAll('path')].filter((p) => /^s\d$/.test(p.getAttribute('class'))).map((p) => getComputedStyle(p).strokeDasharray);
    const legend = svg.closest('figure').querySelectorAll('ul.legend li');
    if (new Set(dashes).size < dashes.length) wrong.push('lines of one dash: ' + dashes.join(' | '));
    if (dashes.length > 1 && legend.length !== dashes.length) wrong.push(dashes.length + ' lines, ' + legend.length + ' in the legend');
    for (const l of legend) if (!l.textContent.trim()) wrong.push('a line without a name');
}
for (const bars of document.querySelectorAll('.bars')) {
    const legend = bars.closest('figure').querySelectorAll('ul.legend li'), most = Math.max(...[...bars.querySelectorAll('.lane span:first-child')].map((s) => Number(s.textContent)));
    if (most > legend.length) wrong.push('bar ' + most + ' of ' + legend.length + ' in the legend');
}
return wrong;
