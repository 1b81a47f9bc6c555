// Inside the frame of an interactive figure: draws what the page sends, and sends pictures of it back.
'use strict';
(() => {
    const plotly = /** @type {any} */ (window).Plotly;
    const place = document.getElementById('plot');
    const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ['toImage', 'sendDataToCloud'], plotlyServerURL: '' };

    /** @param {any} figure @param {boolean} dark */
    function draw(figure, dark) {
        const { width, height, ...layout } = figure.layout ?? {};
        const look = dark ? { paper_bgcolor: '#14181f', plot_bgcolor: '#14181f', font: { color: '#d9dfe8', ...layout.font } } : {};
        return plotly.react(place, figure.data ?? [], { margin: { t: 56, r: 24, b: 48, l: 56 }, ...layout, ...look, autosize: true }, config);
    }

    /** @param {number} id @param {string} format */
    async function picture(id, format) {
        const image = await plotly.toImage(place, { format: format === 'svg' ? 'svg' : 'png', width: 1200, height: 800, scale: 2 });
        parent.postMessage({ type: 'image', id, image }, '*');
    }

    window.addEventListener('message', (event) => {
        if (event.source !== parent || !event.data) return;
        const { type, figure, dark, id, format } = event.data;
        if (type === 'draw') draw(figure, dark);
        if (type === 'image') picture(id, format).catch(() => parent.postMessage({ type: 'image', id }, '*'));
    });
    parent.postMessage({ type: 'ready' }, '*');
})();
