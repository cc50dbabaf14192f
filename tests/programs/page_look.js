/*
 * page_look.js - what compare_page.py asks of pages in a browser: frames.html holds this script and a frame for each page; each
 * is looked at from outside, as it is, and what was seen becomes the text of frames.html, as JSON in base64
 */
function boxes(root) {
	const all = [];
	for (const t of root.querySelectorAll('text'))
		all.push({words: t.textContent, r: t.getBoundingClientRect(), text: true});
	return all;
}
function show(r) { return [r.left, r.top, r.right, r.bottom].map(Math.round).join(' '); }
function over(a, b) {
	return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
}
function inside(a, b) { return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }
function rgb(words) { return (words.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number); }
function light(c) {
	const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(view, e) {
	for (; e; e = e.parentElement) {
		const c = rgb(view.getComputedStyle(e).backgroundColor);
		if (c.length < 4 || c[3] > 0)
			return c;
	}
	return [255, 255, 255];
}
function contrast(view, e, colour) {
	const a = light(rgb(colour)), b = light(ground(view, e));
	return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
function look(frame) {
	const doc = frame.contentDocument, view = frame.contentWindow, bad = [], ids = new Set();
	const complain = (...words) => bad.push(words.join(' '));
	const root = doc.scrollingElement;
	if (root.scrollWidth > root.clientWidth)
		complain('the page is wider than the window:', root.scrollWidth, 'of', root.clientWidth);
	for (const e of doc.querySelectorAll('[id]')) {
		if (ids.has(e.id))
			complain('two elements', e.id);
		ids.add(e.id);
	}
	for (const svg of doc.querySelectorAll('svg')) {
		if (svg.parentElement.closest('svg'))
			continue;
		const here = svg.getBoundingClientRect(), texts = boxes(svg);
		if (svg.getAttribute('role') === 'img') {
			const named = (svg.getAttribute('aria-labelledby') || '').split(' ').map(id => doc.getElementById(id));
			if (named.length !== 2 || !named.every(e => e && e.textContent.trim() && svg.contains(e)))
				complain('a picture without <title> and <desc>:', svg.outerHTML.slice(0, 200));
		} else if (svg.getAttribute('aria-hidden') !== 'true') {
			complain('a picture that is neither named nor hidden:', svg.outerHTML.slice(0, 200));
		}
		if (here.width < 5 || here.height < 5)
			complain('a picture without room:', show(here), svg.outerHTML.slice(0, 200));
		for (const shape of svg.querySelectorAll('text, circle, path, rect'))
			if (!inside(shape.getBoundingClientRect(), here))
				complain('clipped:', shape.outerHTML.slice(0, 120), show(shape.getBoundingClientRect()), 'in', show(here));
		texts.forEach((a, i) => texts.slice(i + 1).forEach(b => over(a.r, b.r) && complain('written over:', a.words, 'and', b.words)));
	}
	for (const cell of doc.querySelectorAll('td, th, h1, h2, h3, dd, dt, li, p'))
		if (cell.scrollWidth > cell.clientWidth + 1 && cell.getClientRects().length && view.getComputedStyle(cell).display !== 'inline')
			complain('wider than its place:', cell.textContent.slice(0, 80), cell.scrollWidth, 'of', cell.clientWidth);
	const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT), seen = new Set();
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || seen.has(e) || e.closest('title, desc, style, script'))
			continue;
		seen.add(e);
		const style = view.getComputedStyle(e), ratio = contrast(view, e, e.closest('svg') ? style.fill : style.color);
		if (ratio < 4.5)
			complain('hard to read, contrast', ratio.toFixed(2) + ':', e.textContent.slice(0, 60));
	}
	for (const entry of view.performance.getEntriesByType('resource'))
		complain('fetched:', entry.name);
	if (doc.querySelector('script, link, img, iframe, object, form'))
		complain('there is a script, or what fetches');
	const text = e => e ? e.textContent : '';
	return {
		bad, width: view.innerWidth, dark: view.matchMedia('(prefers-color-scheme: dark)').matches, heading: text(doc.querySelector('h1')),
		first: text(doc.querySelector('header + *')),
		tables: [...doc.querySelectorAll('table')].map(t => ({
			caption: text(t.caption),
			rows: [...t.tBodies].flatMap(b => [...b.rows]).map(r => [...r.cells].map(c => c.innerText)) })),
		charts: [...doc.querySelectorAll('svg[role=img]')].map(s => ({
			kind: s.getAttribute('class'), title: text(s.querySelector('title')), words: text(s.querySelector('desc')),
			marks: [...s.querySelectorAll('circle, rect')].map(m => [m.getAttribute('class'), m.getAttribute('cx') || m.getAttribute('x'),
				m.getAttribute('cy') || m.getAttribute('y')]),
			arrows: s.querySelectorAll('.beyond').length, crosses: s.querySelectorAll('.cross').length })),
	};
}
addEventListener('load', () => {
	let said;
	try {
		said = [...document.querySelectorAll('iframe')].map(look);
	} catch (error) {
		said = String(error.stack);
	}
	document.body.textContent = 'LOOKED' + btoa(unescape(encodeURIComponent(JSON.stringify(said)))) + 'LOOKED';
});
