"use strict";
(function () {
  const specs = JSON.parse(document.getElementById("figure-data").textContent || "{}");
  const touch = window.matchMedia && window.matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: !touch,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    doubleClick: "reset",
    scrollZoom: false,
  };

  function draw(place) {
    const spec = specs[place.dataset.figure];
    if (!spec || place.dataset.drawn) return;
    place.dataset.drawn = "pending";
    if (touch) spec.layout.dragmode = false;
    Plotly.newPlot(place, spec.data, spec.layout, config).then(function () {
      place.dataset.drawn = "yes";
    });
  }

  const places = Array.from(document.querySelectorAll("[data-figure]"));
  places.forEach(draw);
  document.querySelectorAll(".legend button").forEach(function (button) {
    button.addEventListener("click", function () {
      const place = button.closest("figure").querySelector("[data-figure]");
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      const members = place.data.map((trace, index) => [trace.legendgroup, index]);
      const wanted = members.filter((pair) => pair[0] === button.dataset.group).map((pair) => pair[1]);
      Plotly.restyle(place, { visible: shown }, wanted);
    });
  });
  window.addEventListener("beforeprint", function () {
    places.forEach(function (place) {
      Plotly.Plots.resize(place);
    });
  });

  const search = document.getElementById("parameter-search");
  if (search) {
    const rows = Array.from(document.querySelectorAll("#parameter-table tbody tr"));
    const count = document.getElementById("parameter-count");
    const kinds = Array.from(document.querySelectorAll("[name=parameter-kind]"));
    const filter = function () {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = kinds.filter((box) => box.checked).map((box) => box.value);
      let shown = 0;
      rows.forEach(function (row) {
        const text = row.textContent.toLowerCase();
        const fits = wanted.includes(row.dataset.kind) && words.every((word) => text.includes(word));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = shown + " of " + rows.length;
    };
    search.addEventListener("input", filter);
    kinds.forEach((box) => box.addEventListener("change", filter));
    const reveal = function () {
      if (!location.hash.startsWith("#parameter-")) return;
      search.value = "";
      kinds.forEach((box) => (box.checked = true));
      filter();
    };
    window.addEventListener("hashchange", reveal);
    filter();
  }

  const contents = document.querySelector("nav.contents details");
  if (window.matchMedia && window.matchMedia("(max-width: 900px)").matches) contents.open = false;

  const links = Array.from(document.querySelectorAll("nav.contents a"));
  if ("IntersectionObserver" in window && links.length) {
    const byId = new Map(links.map((link) => [link.hash.slice(1), link]));
    const watch = new IntersectionObserver(
      function (entries) {
        entries.forEach(function (entry) {
          if (!entry.isIntersecting) return;
          links.forEach((link) => link.removeAttribute("aria-current"));
          const link = byId.get(entry.target.id);
          if (link) link.setAttribute("aria-current", "true");
        });
      },
      { rootMargin: "-10% 0px -80% 0px" },
    );
    document.querySelectorAll("main section[id]").forEach((section) => watch.observe(section));
  }
})();
